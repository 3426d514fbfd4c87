//! Channels with several handles to each end, which are cloned and closed while tasks wait on them.

use super::{
    actors::{Actor, Ended},
    property,
};
use anyio::{
    Error, Result,
    streams::memory::{self, ReceiveStream, SendStream},
    task_group,
    testing::wait_all_tasks_blocked,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

#[derive(Debug, Clone, Copy)]
enum Step {
    Send(usize),
    Receive(usize),
    SendNow(usize),
    ReceiveNow(usize),
    CloneSender(usize),
    CloneReceiver(usize),
    CloseSender(usize),
    CloseReceiver(usize),
    Cancel(usize),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let which = 0usize..8;
    let step = prop_oneof![
        8 => which.clone().prop_map(Step::Send),
        8 => which.clone().prop_map(Step::Receive),
        2 => which.clone().prop_map(Step::SendNow),
        2 => which.clone().prop_map(Step::ReceiveNow),
        2 => which.clone().prop_map(Step::CloneSender),
        2 => which.clone().prop_map(Step::CloneReceiver),
        1 => which.clone().prop_map(Step::CloseSender),
        1 => which.clone().prop_map(Step::CloseReceiver),
        2 => which.clone().prop_map(Step::Cancel),
        2 => which.prop_map(Step::Drop),
    ];
    (0usize..4, prop::collection::vec(step, 0..60))
}

/// What becomes of a send or a receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Sent,
    Received(u32),
    End,
    Closed,
    Broken,
    WouldBlock,
}

impl Outcome {
    /// Everything but a cancellation.
    fn of(result: Result<Self>) -> Result<Self> {
        match result {
            Err(Error::ClosedResource) => Ok(Self::Closed),
            Err(Error::BrokenResource(_)) => Ok(Self::Broken),
            Err(Error::WouldBlock) => Ok(Self::WouldBlock),
            other => other,
        }
    }

    fn received(item: Option<u32>) -> Self {
        item.map_or(Self::End, Self::Received)
    }
}

/// The same in simple terms.
struct Model {
    capacity: usize,
    buffer: VecDeque<u32>,
    /// Who waits to send: task, handle, item.
    sending: Vec<(u32, usize, u32)>,
    /// Who waits to receive: task, handle.
    receiving: Vec<(u32, usize)>,
    /// Which handles are open.
    senders: Vec<bool>,
    receivers: Vec<bool>,
    ended: BTreeMap<u32, Option<Outcome>>,
}

impl Model {
    fn end(&mut self, task: u32, outcome: Outcome) {
        self.ended.insert(task, Some(outcome));
    }

    /// Without waiting.
    fn send(&mut self, handle: usize, item: u32) -> Outcome {
        if !self.senders[handle] {
            return Outcome::Closed;
        }
        if !self.receivers.contains(&true) {
            return Outcome::Broken;
        }
        if !self.receiving.is_empty() {
            let (task, _) = self.receiving.remove(0);
            self.end(task, Outcome::Received(item));
            return Outcome::Sent;
        }
        if self.buffer.len() < self.capacity {
            self.buffer.push_back(item);
            return Outcome::Sent;
        }
        Outcome::WouldBlock
    }

    /// Without waiting.
    fn receive(&mut self, handle: usize) -> Outcome {
        if !self.receivers[handle] {
            return Outcome::Closed;
        }
        if !self.sending.is_empty() {
            let (task, _, item) = self.sending.remove(0);
            self.end(task, Outcome::Sent);
            self.buffer.push_back(item);
        }
        match self.buffer.pop_front() {
            Some(item) => Outcome::Received(item),
            None if self.senders.contains(&true) => Outcome::WouldBlock,
            None => Outcome::End,
        }
    }

    fn close_sender(&mut self, handle: usize) {
        self.senders[handle] = false;
        for (task, _, _) in self.sending.extract_if(.., |&mut (_, through, _)| through == handle) {
            self.ended.insert(task, Some(Outcome::Closed));
        }
        if !self.senders.contains(&true) {
            for (task, _) in self.receiving.drain(..) {
                self.ended.insert(task, Some(Outcome::End));
            }
        }
    }

    fn close_receiver(&mut self, handle: usize) {
        self.receivers[handle] = false;
        for (task, _) in self.receiving.extract_if(.., |&mut (_, through)| through == handle) {
            self.ended.insert(task, Some(Outcome::Closed));
        }
        if !self.receivers.contains(&true) {
            self.buffer.clear();
            for (task, _, _) in self.sending.drain(..) {
                self.ended.insert(task, Some(Outcome::Broken));
            }
        }
    }

    /// The wait of a task has gone, unless it was over.
    fn leave(&mut self, task: u32) {
        self.sending.retain(|&(waiting, _, _)| waiting != task);
        self.receiving.retain(|&(waiting, _)| waiting != task);
        self.ended.entry(task).or_insert(None);
    }
}

async fn run(capacity: usize, steps: &[Step]) -> Result<()> {
    let (sender, receiver) = memory::channel::<u32>(capacity);
    let mut senders: Vec<Rc<SendStream<u32>>> = vec![Rc::new(sender)];
    let mut receivers: Vec<Rc<ReceiveStream<u32>>> = vec![Rc::new(receiver)];
    let mut model = Model {
        capacity,
        buffer: VecDeque::new(),
        sending: vec![],
        receiving: vec![],
        senders: vec![true],
        receivers: vec![true],
        ended: BTreeMap::new(),
    };
    let ended: &Ended<Outcome> = &Ended::default();
    task_group(async |tg| -> Result<()> {
        let mut actors: Vec<Actor> = vec![];
        for (number, &step) in (0..).zip(steps) {
            match step {
                Step::Send(handle) => {
                    let handle = handle % senders.len();
                    let stream = senders[handle].clone();
                    let wait = async move { Outcome::of(stream.send(number).await.map(|()| Outcome::Sent)) };
                    actors.push(Actor::start(tg, number, ended, wait));
                    match model.send(handle, number) {
                        Outcome::WouldBlock => model.sending.push((number, handle, number)),
                        outcome => model.end(number, outcome),
                    }
                }
                Step::Receive(handle) => {
                    let handle = handle % receivers.len();
                    let stream = receivers[handle].clone();
                    let wait = async move { Outcome::of(stream.receive().await.map(Outcome::received)) };
                    actors.push(Actor::start(tg, number, ended, wait));
                    match model.receive(handle) {
                        Outcome::WouldBlock => model.receiving.push((number, handle)),
                        outcome => model.end(number, outcome),
                    }
                }
                Step::SendNow(handle) => {
                    let handle = handle % senders.len();
                    let sent = senders[handle].send_nowait(number);
                    let outcome = Outcome::of(sent.map(|()| Outcome::Sent).map_err(Error::from))?;
                    assert_eq!(outcome, model.send(handle, number));
                }
                Step::ReceiveNow(handle) => {
                    let handle = handle % receivers.len();
                    let outcome = Outcome::of(receivers[handle].receive_nowait().map(Outcome::received))?;
                    assert_eq!(outcome, model.receive(handle));
                }
                Step::CloneSender(handle) => {
                    let handle = handle % senders.len();
                    senders.push(Rc::new(SendStream::clone(&senders[handle])));
                    model.senders.push(model.senders[handle]);
                }
                Step::CloneReceiver(handle) => {
                    let handle = handle % receivers.len();
                    receivers.push(Rc::new(ReceiveStream::clone(&receivers[handle])));
                    model.receivers.push(model.receivers[handle]);
                }
                Step::CloseSender(handle) => {
                    let handle = handle % senders.len();
                    senders[handle].close();
                    model.close_sender(handle);
                }
                Step::CloseReceiver(handle) => {
                    let handle = handle % receivers.len();
                    receivers[handle].close();
                    model.close_receiver(handle);
                }
                Step::Cancel(index) if !actors.is_empty() => {
                    let actor = actors.swap_remove(index % actors.len());
                    actor.scope.cancel();
                    model.leave(actor.number);
                }
                Step::Drop(index) if !actors.is_empty() => {
                    let actor = actors.swap_remove(index % actors.len());
                    actor.drop_wait();
                    model.leave(actor.number);
                }
                Step::Cancel(_) | Step::Drop(_) => {}
            }
            wait_all_tasks_blocked().await?;
            assert_eq!(ended.borrow().iter().copied().collect::<BTreeMap<_, _>>(), model.ended);
            let statistics = senders[0].statistics();
            assert_eq!(statistics.current_buffer_used, model.buffer.len());
            assert_eq!(statistics.tasks_waiting_send, model.sending.len());
            assert_eq!(statistics.tasks_waiting_receive, model.receiving.len());
            assert_eq!(statistics.open_send_streams, model.senders.iter().filter(|&&open| open).count());
            assert_eq!(statistics.open_receive_streams, model.receivers.iter().filter(|&&open| open).count());
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

property!(channels_hand_over_in_order_while_handles_come_and_go, steps(), async |(capacity, steps): &(
    usize,
    Vec<Step>
)| run(*capacity, steps).await);
