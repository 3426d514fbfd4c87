//! Receiving datagrams.
//!
//! The operation belongs to the socket, as with streams: cancelling or dropping a `receive` only takes its waiter off, and
//! the next call gets the datagram. Where the driver can, one operation goes on and brings one datagram after the other,
//! each in a buffer that the driver chooses; else, and when such buffers have run out, it receives singly.
//!
//! # Contract
//! What an operation names is kept in boxes or counted: the room it is to leave, or for a single receive the whole message
//! with a buffer of its own. A socket that goes before its operation hands all that over to an orphan.

use super::{
    message_room::{Room, Single},
    network_error::{error_of, is_of_the_network},
};
use crate::{
    error::Result,
    lowlevel::checkpoint_if_cancelled,
    message::{MessageForm, ReceivedMessage},
    receiving::{Keeper, Receive},
    reserved::Reserved,
    runtime::{Core, Descriptor, Disposer, Next, Outcome, Refusal, WaitKey, WaitKind, WaitReason, abandon},
};
use anyio_driver::{Completion, CompletionFlags, Driver, Op, OpKind};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::Poll,
};

/// Makes datagrams of messages.
pub(in crate::net) trait Interpreter: 'static {
    /// What a socket gives out.
    type Datagram;

    /// Whether something is left of the message before.
    fn has_rest(&self) -> bool;

    /// The first of what is left, where something is.
    fn rest(&self) -> Self::Datagram;

    /// What a message is. It may be several datagrams; then the others are the rest.
    fn interpret(&self, message: ReceivedMessage) -> Self::Datagram;

    /// Forgets what is left.
    fn forget_rest(&self);
}

/// The side of a socket that gives datagrams.
pub(in crate::net) struct DatagramReceiving<I> {
    descriptor: Descriptor,
    interpreter: I,
    /// Whether errors that the network has told of are this socket's.
    is_connected: bool,
    room: RefCell<Rc<Room>>,
    operation: Cell<Option<WaitKey>>,
    /// The message of a single receive in flight.
    single: Cell<Option<Box<Single>>>,
    /// One for the next.
    spare: Cell<Option<Box<Single>>>,
    busy: Cell<bool>,
    /// Set when the driver had no buffer to choose: the next receive brings its own.
    starved: Cell<bool>,
    /// Set when the driver does not do it again and again.
    singly: Cell<bool>,
}

impl<I: Interpreter> DatagramReceiving<I> {
    pub(in crate::net) fn new(
        descriptor: Descriptor,
        interpreter: I,
        form: &'static MessageForm,
        is_connected: bool,
    ) -> Self {
        Self {
            descriptor,
            interpreter,
            is_connected,
            room: RefCell::new(Rc::new(Room::new(form))),
            operation: Cell::new(None),
            single: Cell::new(None),
            spare: Cell::new(None),
            busy: Cell::new(false),
            starved: Cell::new(false),
            singly: Cell::new(false),
        }
    }

    pub(in crate::net) fn interpreter(&self) -> &I {
        &self.interpreter
    }

    /// Receives the next datagram.
    #[inline]
    pub(in crate::net) fn receive(&self) -> Receive<&Self> {
        Receive::new(self)
    }

    /// Gives out what has come already, at most so many. Tells how many those were.
    ///
    /// # Errors
    /// What the operation has brought in place of a datagram; those before it have been given out.
    pub(in crate::net) fn take_what_has_come(
        &self,
        most: usize,
        mut give: impl FnMut(I::Datagram),
    ) -> Result<usize> {
        Core::with(|core| {
            let has_come = || {
                let has_queued = |wait| core.waits().has_queued(wait);
                self.interpreter.has_rest() || self.operation.get().is_some_and(has_queued)
            };
            let mut count = 0;
            while count < most && has_come() {
                if let Some(ready) = self.take_ready(core) {
                    give(self.give(core, ready?));
                    count += 1;
                }
            }
            Ok(count)
        })
    }

    /// Whether datagrams are here that nobody has taken, or may be any moment.
    pub(in crate::net) fn holds_datagrams(&self) -> bool {
        self.operation.get().is_some()
    }

    /// Lets descriptors come with messages from the next operation on. What is in flight without room for them is stopped
    /// first, unless it has brought something: then that comes before.
    ///
    /// # Errors
    /// If another task is receiving, or the scope is cancelled.
    pub(in crate::net) async fn take_rights(&self, form: &'static MessageForm) -> Result<()> {
        if self.room.borrow().form.rights {
            return Ok(());
        }
        let _reserved = Reserved::of(&self.busy, Self::DOING)?;
        checkpoint_if_cancelled().await?;
        self.pause().await;
        if self.operation.get().is_none() {
            *self.room.borrow_mut() = Rc::new(Room::new(form));
        }
        Ok(())
    }

    fn begin_single(&self, core: &Core, room: &Room) -> Op {
        let mut single = self.spare.take().unwrap_or_default();
        single.prepare(core.driver_mut().message_pool().take(), room);
        let message = &raw mut single.message;
        self.single.set(Some(single));
        Op::ReceiveMessage { fd: self.descriptor.raw(), message, flags: 0 }
    }

    /// Makes a message or an error of what the operation has brought. `None` if it only ended.
    #[inline]
    fn accept(&self, core: &Core, outcome: Outcome) -> Option<Result<ReceivedMessage>> {
        if outcome.flags.contains(CompletionFlags::BUFFER) {
            let chunk = core.driver_mut().take_buffer(outcome.buffer, outcome.result as usize);
            return Some(Ok(ReceivedMessage::new(chunk, self.room.borrow().form)));
        }
        self.accept_single(core, outcome)
    }

    /// The same where the driver has chosen no buffer.
    fn accept_single(&self, core: &Core, outcome: Outcome) -> Option<Result<ReceivedMessage>> {
        match self.single.take() {
            Some(mut single) if outcome.result >= 0 => {
                let message = single.finish(outcome.result as u32);
                self.spare.set(Some(single));
                message.map(Ok)
            }
            single => {
                let is_single = single.is_some();
                if let Some(mut single) = single {
                    single.chunk = None;
                    self.spare.set(Some(single));
                }
                self.accept_nothing(core, outcome, is_single)
            }
        }
    }

    /// What an operation means that has brought no message.
    #[cold]
    fn accept_nothing(&self, core: &Core, outcome: Outcome, single: bool) -> Option<Result<ReceivedMessage>> {
        if !self.has_only_ended(outcome, single) {
            return Some(Err(error_of(Refusal::System(-outcome.result), "receive")));
        }
        if outcome.flags.contains(CompletionFlags::UNSUPPORTED) {
            self.singly.set(true);
        } else if outcome.result == -libc::ENOBUFS {
            core.note_buffer_shortage();
            self.starved.set(true);
        }
        None
    }

    /// Whether an operation has brought neither a message nor an error that is this socket's.
    fn has_only_ended(&self, outcome: Outcome, single: bool) -> bool {
        match -outcome.result {
            // Stopped because its reader did not keep up, or interrupted.
            libc::ECANCELED | libc::EINTR => true,
            // At its end; a single receive gives an empty datagram in this way.
            0 => !single && !outcome.flags.contains(CompletionFlags::BUFFER),
            libc::ENOBUFS => !single,
            _ if !single && outcome.flags.contains(CompletionFlags::UNSUPPORTED) => true,
            // What the network says of a datagram that was sent long ago, to whomever.
            number => !self.is_connected && is_of_the_network(number),
        }
    }

    /// Stops the operation in flight and waits for its end. What it has brought is dropped.
    pub(in crate::net) async fn stop(&self) {
        poll_fn(|cx| {
            Core::with(|core| {
                while self.take_message(core).is_some() {}
                self.interpreter.forget_rest();
                self.poll_end(core, cx)
            })
        })
        .await;
    }

    /// Stops the operation in flight and waits for its end, or until it has brought something.
    async fn pause(&self) {
        poll_fn(|cx| {
            Core::with(|core| match self.operation.get() {
                Some(wait) if !core.waits().has_next(wait) => self.poll_end(core, cx),
                Some(wait) if self.has_brought_nothing(core, wait) => {
                    let nothing = self.take_message(core);
                    debug_assert!(nothing.is_none());
                    Poll::Ready(())
                }
                _ => Poll::Ready(()),
            })
        })
        .await;
    }

    /// Whether an operation has ended, and all that it has brought was taken.
    fn has_brought_nothing(&self, core: &Core, wait: WaitKey) -> bool {
        let single = self.single.take();
        let is_single = single.is_some();
        self.single.set(single);
        let last = core.waits().outcome(wait).filter(|_| !core.waits().has_queued(wait));
        last.is_some_and(|outcome| self.has_only_ended(outcome, is_single))
    }

    /// Asks for the operation's end.
    fn poll_end(&self, core: &Core, cx: &std::task::Context<'_>) -> Poll<()> {
        let Some(wait) = self.operation.get() else { return Poll::Ready(()) };
        core.waits().set_waker(wait, cx.waker());
        if core.waits().ask_cancel(wait) {
            core.cancel_operation(wait.token());
        }
        Poll::Pending
    }

    #[inline]
    fn take_message(&self, core: &Core) -> Option<Result<ReceivedMessage>> {
        let wait = self.operation.get()?;
        let outcome = match core.waits().take_next(wait) {
            Next::Nothing => return None,
            Next::Result(outcome) => outcome,
            Next::Last(outcome) => {
                self.operation.set(None);
                outcome
            }
        };
        self.accept(core, outcome)
    }
}

impl<I: Interpreter> Keeper for DatagramReceiving<I> {
    type Item = I::Datagram;
    /// A message, or nothing for what is left of the one before.
    type Ready = Option<ReceivedMessage>;

    const DOING: &'static str = "receiving from this socket";

    #[inline]
    fn busy(&self) -> &Cell<bool> {
        &self.busy
    }

    #[inline]
    fn take_ready(&self, core: &Core) -> Option<Result<Option<ReceivedMessage>>> {
        if self.interpreter.has_rest() {
            return Some(Ok(None));
        }
        self.take_message(core).map(|message| message.map(Some))
    }

    #[inline]
    fn give(&self, _: &Core, ready: Option<ReceivedMessage>) -> I::Datagram {
        match ready {
            Some(message) => self.interpreter.interpret(message),
            None => self.interpreter.rest(),
        }
    }

    #[inline]
    fn in_flight(&self) -> Option<WaitKey> {
        self.operation.get()
    }

    fn begin(&self, core: &Core) -> (WaitKey, bool) {
        let room = self.room.borrow();
        let singly = self.starved.replace(false)
            || self.singly.get()
            || !core.driver().supports(OpKind::ReceiveMessages);
        let op = if singly {
            self.begin_single(core, &room)
        } else {
            Op::ReceiveMessages { fd: self.descriptor.raw(), message: &raw const room.message }
        };
        let wait = core.waits().insert(WaitKind::KeptMessages, WaitReason::Receive);
        if room.form.rights && !singly {
            core.waits().set_rights(wait);
        }
        self.operation.set(Some(wait));
        core.waits().set_descriptor(wait, op.descriptor());
        // SAFETY: descriptor, room and message stay here until the operation has ended, the latter two where they are; a
        // socket that goes before hands them over to an orphan. The message is not touched meanwhile.
        let answered = unsafe { core.submit(wait, op) };
        (wait, answered)
    }
}

impl<I> Drop for DatagramReceiving<I> {
    fn drop(&mut self) {
        if let Some(wait) = self.operation.take() {
            let left = LeftReceive {
                _descriptor: self.descriptor.clone(),
                room: self.room.get_mut().clone(),
                single: self.single.take(),
            };
            abandon(wait, left);
        }
    }
}

/// What a receive in flight needs when its socket goes.
struct LeftReceive {
    _descriptor: Descriptor,
    room: Rc<Room>,
    single: Option<Box<Single>>,
}

impl Disposer for LeftReceive {
    fn dispose_one_of_many(&mut self, core: &Core, completion: &Completion) {
        if completion.flags.contains(CompletionFlags::BUFFER) {
            let chunk = core.driver_mut().take_buffer(completion.buffer, completion.result.max(0) as usize);
            // Descriptors that came with it are closed with it.
            drop(ReceivedMessage::new(chunk, self.room.form));
        }
    }

    fn dispose(mut self: Box<Self>, core: &Core, completion: &Completion) {
        self.dispose_one_of_many(core, completion);
        if let (Some(single), Ok(count)) = (&mut self.single, u32::try_from(completion.result)) {
            drop(single.finish(count));
        }
    }
}
