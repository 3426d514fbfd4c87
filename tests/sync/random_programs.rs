//! Random programs of senders, receivers, holders of permits, cancellations and drops, against a simple model.
//!
//! Each program's futures live side by side in one task, which polls and drops them as the program says. When a program
//! is over everything that was woken is polled until nothing moves, and nobody may wait for what is there.

use anyio::{Backend, Builder, CancelScope, Result, lowlevel::checkpoint, streams::memory, sync::Semaphore};
use proptest::prelude::*;
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Begins what the program is about.
    Begin,
    /// Begins the counterpart: receiving.
    BeginOther,
    /// Polls one of the futures under way.
    Poll(usize),
    /// Drops one.
    Drop(usize),
    /// Cancels the scope of one.
    Cancel(usize),
    /// Sends, or tries to get a permit, without waiting.
    Now,
    /// Receives without waiting, or gives a permit back.
    NowOther,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Begin),
        4 => Just(Step::BeginOther),
        4 => (0usize..8).prop_map(Step::Poll),
        2 => (0usize..8).prop_map(Step::Drop),
        2 => (0usize..8).prop_map(Step::Cancel),
        2 => Just(Step::Now),
        2 => Just(Step::NowOther),
    ];
    prop::collection::vec(step, 0..60)
}

struct Running<'a> {
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    scope: CancelScope,
    /// The item that is sent, if it sends.
    item: Option<u32>,
}

/// Polls once; tells whether the future has ended.
async fn poll_once(future: &mut Pin<Box<dyn Future<Output = ()> + '_>>) -> bool {
    // A new poll of the task, so that what is done at once is not charged to steps before.
    checkpoint().await.expect("nobody cancels the program itself");
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

async fn settle(running: &mut Vec<Running<'_>>) {
    // None of the futures here is pending more than twice without waiting for another.
    let mut quiet = 0;
    while quiet < 3 {
        let before = running.len();
        let mut index = 0;
        while index < running.len() {
            if poll_once(&mut running[index].future).await {
                drop(running.remove(index));
            } else {
                index += 1;
            }
        }
        quiet = if running.len() == before { quiet + 1 } else { 0 };
    }
}

async fn run_channel(capacity: usize, steps: &[Step]) -> Result<()> {
    let (tx, rx) = memory::channel::<u32>(capacity);
    let (tx, rx) = (&tx, &rx);
    let received = &RefCell::new(Vec::<u32>::new());
    let sent = &RefCell::new(Vec::<u32>::new());
    let mut may_be_lost = vec![];
    let mut never_sent = vec![];
    let mut running: Vec<Running<'_>> = vec![];
    let mut next = 0;
    for &step in steps {
        let begun = match step {
            Step::Begin => {
                let (item, scope) = (next, CancelScope::new());
                next += 1;
                let inner = scope.clone();
                let future = Box::pin(async move {
                    let ended = inner.run(async || tx.send(item).await).await.expect("no end is closed");
                    if ended.is_some() {
                        sent.borrow_mut().push(item);
                    }
                });
                Some(Running { future, scope, item: Some(item) })
            }
            Step::BeginOther => {
                let scope = CancelScope::new();
                let inner = scope.clone();
                let future = Box::pin(async move {
                    let ended = inner.run(async || rx.receive().await).await.expect("no end is closed");
                    received.borrow_mut().extend(ended.map(|item| item.expect("no end is closed")));
                });
                Some(Running { future, scope, item: None })
            }
            Step::Poll(index) if index < running.len() => {
                if poll_once(&mut running[index].future).await {
                    let ended = running.remove(index);
                    never_sent.extend(ended.item.filter(|item| !sent.borrow().contains(item)));
                }
                None
            }
            Step::Drop(index) if index < running.len() => {
                may_be_lost.extend(running.remove(index).item);
                None
            }
            Step::Cancel(index) if index < running.len() => {
                running[index].scope.cancel();
                None
            }
            Step::Now => {
                if tx.send_nowait(next).is_ok() {
                    sent.borrow_mut().push(next);
                }
                next += 1;
                None
            }
            Step::NowOther => {
                received.borrow_mut().extend(rx.receive_nowait().ok().flatten());
                None
            }
            _ => None,
        };
        if let Some(mut begun) = begun
            && !poll_once(&mut begun.future).await
        {
            running.push(begun);
        }
    }
    settle(&mut running).await;
    let statistics = tx.statistics();
    assert!(statistics.tasks_waiting_receive == 0 || statistics.current_buffer_used == 0, "{statistics:?}");
    assert!(statistics.tasks_waiting_receive == 0 || statistics.tasks_waiting_send == 0, "{statistics:?}");
    assert!(
        statistics.tasks_waiting_send == 0 || statistics.current_buffer_used >= capacity,
        "{statistics:?}"
    );
    drop(running);
    while let Ok(Some(item)) = rx.receive_nowait() {
        received.borrow_mut().push(item);
    }
    let (received, sent) = (received.borrow(), sent.borrow());
    assert!(received.is_sorted_by(|one, other| one < other), "out of order or twice: {received:?}");
    for item in sent.iter() {
        assert!(received.contains(item), "{item} was sent and lost");
    }
    for item in &never_sent {
        assert!(!received.contains(item), "{item} was cancelled and received");
    }
    for item in received.iter() {
        assert!(sent.contains(item) || may_be_lost.contains(item), "{item} came from nowhere");
    }
    Ok(())
}

/// Counts who is inside.
struct Inside<'a>(&'a Cell<usize>);

impl<'a> Inside<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn run_semaphore(permits: usize, steps: &[Step]) -> Result<()> {
    let semaphore = &Semaphore::new(permits);
    let order = &RefCell::new(Vec::<u32>::new());
    let inside = &Cell::new(0);
    let mut running: Vec<Running<'_>> = vec![];
    let mut held = vec![];
    let mut next = 0;
    for &step in steps {
        match step {
            Step::Begin | Step::BeginOther => {
                let (number, scope) = (next, CancelScope::new());
                next += 1;
                let inner = scope.clone();
                let mut begun = Running {
                    future: Box::pin(async move {
                        let ended = inner
                            .run(async || -> Result<()> {
                                let permit = semaphore.acquire().await?;
                                order.borrow_mut().push(number);
                                let inside = Inside::new(inside);
                                checkpoint().await.ok();
                                drop((inside, permit));
                                Ok(())
                            })
                            .await;
                        ended.expect("a cancellation is absorbed");
                    }),
                    scope,
                    item: None,
                };
                if !poll_once(&mut begun.future).await {
                    running.push(begun);
                }
            }
            Step::Poll(index) if index < running.len() => {
                let is_over = poll_once(&mut running[index].future).await;
                if is_over {
                    drop(running.remove(index));
                }
            }
            Step::Drop(index) if index < running.len() => drop(running.remove(index)),
            Step::Cancel(index) if index < running.len() => running[index].scope.cancel(),
            Step::Now => held.extend(semaphore.try_acquire().ok()),
            Step::NowOther => drop(held.pop()),
            _ => {}
        }
        assert!(inside.get() + held.len() <= permits, "more inside than there are permits");
    }
    drop(held);
    settle(&mut running).await;
    assert!(running.is_empty(), "somebody waits although all permits were given back");
    assert!(permits > 1 || order.borrow().is_sorted(), "not in the order of arrival: {order:?}");
    assert_eq!((semaphore.value(), semaphore.statistics().tasks_waiting), (permits, 0));
    Ok(())
}

fn run(backend: Backend, program: impl AsyncFnOnce() -> Result<()>) {
    let ended = Builder::new().backend(backend).ring_entries(8).receive_buffers(1).run(program);
    ended.expect("the back end can be set up").expect("no error is expected");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn channels_lose_nothing_and_keep_the_order(capacity in 0usize..4, steps in steps()) {
        run(Backend::Poll, async || run_channel(capacity, &steps).await);
    }

    #[test]
    fn permits_are_neither_lost_nor_multiplied(permits in 1usize..4, steps in steps()) {
        run(Backend::Poll, async || run_semaphore(permits, &steps).await);
    }
}
