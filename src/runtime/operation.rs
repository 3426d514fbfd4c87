//! One operation of the driver as a future.
//!
//! # Contract
//! The payload owns all memory and every descriptor that its [`Op`] names, in such a way that moving the payload
//! moves none of that memory. It lies in the future while the operation is in flight, and is given up only after
//! the final completion. If the future is dropped before, the payload is boxed and becomes an orphan, which waits
//! for the completion in its place. If the future is forgotten, so is the payload.

use super::{
    Core, Next, Outcome, WaitKey, WaitKind, WaitReason,
    orphans::{Disposer, was_given_up},
};
use crate::error::{Cancelled, Error};
use anyio_driver::{Completion, CompletionFlags, Op, planted};
use std::{
    future::Future,
    io,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

/// Why an operation brought no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It was cancelled and did not happen.
    Cancelled,
    /// The operating system said this error number.
    System(i32),
    /// The driver does not know the operation on this host.
    Unsupported,
}

impl Refusal {
    /// As an I/O error, without saying what it happened on.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Cancelled => Cancelled::new().into(),
            Self::System(libc::ECANCELED) => io::Error::other("cancelled by the operating system"),
            Self::System(number) => io::Error::from_raw_os_error(number),
            Self::Unsupported => io::ErrorKind::Unsupported.into(),
        }
    }

    /// As the error of an operation on a stream.
    pub(crate) fn on_stream(self, operation: &'static str) -> Error {
        match self {
            Self::Cancelled => Cancelled::new().into(),
            Self::Unsupported => Error::Unsupported(operation),
            Self::System(_) => Error::of_stream(self.into_io(), operation),
        }
    }

    /// As the error of an operation on something with a name.
    pub(crate) fn on(self, operation: &'static str, subject: impl std::fmt::Display) -> Error {
        match self {
            Self::Cancelled => Cancelled::new().into(),
            Self::Unsupported => Error::Unsupported(operation),
            Self::System(_) => Error::of_operation(self.into_io(), operation, subject),
        }
    }
}

/// What came out of an operation.
pub(crate) type Answer = Result<u32, Refusal>;

/// What an operation owns, and what becomes of its result.
///
/// # Safety
/// Everything that the value of [`op`](Self::op) names belongs to `self`, and none of that memory moves when `self`
/// is moved.
pub(crate) unsafe trait Payload: 'static {
    /// What the future gives.
    type Output;

    /// What a task waits for that awaits it.
    const REASON: WaitReason;

    /// Whether the operation can be submitted again after a cancellation that is no longer wanted, or an interruption.
    const REPEATABLE: bool = true;

    /// Whether the descriptor that it uses is of this run's own, so that nobody else closes it meanwhile.
    const IS_OURS: bool = true;

    /// The operation. Asked for again if it has to be repeated.
    fn op(&mut self) -> Op;

    /// Whether there is more to do after a success; then the operation is asked for again.
    #[inline]
    fn goes_on(&mut self, _count: u32) -> bool {
        false
    }

    /// Makes the future's output of the answer.
    fn finish(self, answer: Answer) -> Self::Output;

    /// Disposes of a success for which nobody waits any more.
    fn dispose(self, result: u32)
    where
        Self: Sized,
    {
        let _ = result;
    }
}

/// How an operation stands to the scope it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scoping {
    /// The scope's cancellation keeps it from starting, and cancels it.
    Cancellable,
    /// The scope's cancellation keeps it from starting, but what has begun is awaited.
    Completes,
    /// Nothing keeps it from happening.
    Shielded,
}

/// An operation of the driver: its payload's output once the kernel has answered.
///
/// # Cancel safety
/// A cancellation is asked of the driver, and its answer counts: a success is a success. A future that is dropped
/// asks the driver to cancel too, and its result is disposed of.
#[must_use = "an operation begins when it is awaited"]
pub(crate) struct Operation<P: Payload> {
    payload: Option<P>,
    wait: Option<WaitKey>,
    scoping: Scoping,
    _thread: PhantomData<*const ()>,
}

impl<P: Payload> Unpin for Operation<P> {}

impl<P: Payload> Operation<P> {
    /// An operation that scopes cancel.
    #[inline]
    pub(crate) fn new(payload: P) -> Self {
        Self::with(payload, Scoping::Cancellable)
    }

    /// An operation that scopes keep from starting, but do not cancel.
    pub(crate) fn completing(payload: P) -> Self {
        Self::with(payload, Scoping::Completes)
    }

    /// An operation that takes place in a cancelled scope too.
    pub(crate) fn shielded(payload: P) -> Self {
        Self::with(payload, Scoping::Shielded)
    }

    #[inline]
    fn with(payload: P, scoping: Scoping) -> Self {
        Self { payload: Some(payload), wait: None, scoping, _thread: PhantomData }
    }

    /// Whether it has been submitted and has not ended.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        self.wait.is_some()
    }

    /// Under what key it waits, from its submission to its end.
    pub(crate) fn key(&self) -> Option<WaitKey> {
        self.wait
    }

    /// What it owns.
    ///
    /// # Panics
    /// After the output.
    #[inline]
    pub(crate) fn payload(&self) -> &P {
        self.payload.as_ref().expect("the payload is there until the output")
    }

    /// Takes back what an operation owns that has not begun or has been [answered](Self::poll_answer).
    ///
    /// # Panics
    /// If it is in flight, or after the output.
    #[inline]
    pub(crate) fn take_payload(&mut self) -> P {
        assert!(self.wait.is_none(), "an operation in flight needs what it owns");
        self.payload.take().expect("the payload is there until the output")
    }

    /// What it owns, to be changed before it begins.
    ///
    /// # Panics
    /// If it has begun, or after the output.
    #[inline]
    pub(crate) fn payload_mut(&mut self) -> &mut P {
        assert!(self.wait.is_none(), "an operation in flight needs what it owns");
        self.payload.as_mut().expect("the payload is there until the output")
    }

    /// Takes back what an operation owns that has not begun or has been answered, if it was not taken yet.
    #[inline]
    pub(crate) fn reclaim_payload(&mut self) -> Option<P> {
        if self.wait.is_some() { None } else { self.payload.take() }
    }

    /// Submits it. True if it is done already, and the task may go on with that in this poll.
    #[inline]
    fn submit(&mut self, core: &Core, wait: WaitKey, cx: &Context<'_>) -> bool {
        let op = self.payload.as_mut().expect("the payload is there until the output").op();
        core.waits().set_descriptor(wait, op.descriptor().filter(|_| P::IS_OURS));
        // SAFETY: the payload owns what the operation names and stays until its final completion: see the contract.
        let answered = unsafe { core.submit(wait, op) };
        if answered && core.poll_immediate(cx).is_ready() {
            return true;
        }
        self.keep_waiting(core, wait, cx);
        false
    }

    /// Hands it to the driver, to be polled later. False if the scope keeps it from happening.
    pub(crate) fn begin(&mut self, cx: &Context<'_>) -> bool {
        Core::with(|core| {
            if self.is_unwanted(core) {
                return false;
            }
            let wait = core.waits().insert(WaitKind::Operation, P::REASON);
            self.wait = Some(wait);
            self.submit(core, wait, cx);
            true
        })
    }

    /// Whether the scope keeps it from happening.
    #[inline]
    fn is_unwanted(&self, core: &Core) -> bool {
        self.scoping != Scoping::Shielded
            && !planted("cancellation before an operation overlooked")
            && core.reach_checkpoint()
    }

    /// Goes on waiting, in the scope in which it is polled now.
    #[inline]
    fn keep_waiting(&self, core: &Core, wait: WaitKey, cx: &Context<'_>) {
        if self.scoping == Scoping::Cancellable && core.follow_scope(wait) && core.waits().ask_cancel(wait) {
            core.cancel_operation(wait.token());
        }
        core.waits().set_waker(wait, cx.waker());
    }

    /// What the driver's answer means.
    #[inline]
    fn judge(&mut self, core: &Core, wait: WaitKey, outcome: Outcome) -> Verdict {
        match u32::try_from(outcome.result) {
            Ok(_) if planted("raced success discarded") && core.waits().cancel_asked(wait) => {
                Verdict::End(Err(Refusal::Cancelled))
            }
            Ok(count) if self.payload.as_mut().is_some_and(|payload| payload.goes_on(count)) => {
                if self.is_unwanted(core) { Verdict::End(Err(Refusal::Cancelled)) } else { Verdict::Repeat }
            }
            Ok(count) => Verdict::End(Ok(count)),
            Err(_) => self.judge_refusal(core, wait, outcome),
        }
    }

    #[cold]
    fn judge_refusal(&mut self, core: &Core, wait: WaitKey, outcome: Outcome) -> Verdict {
        let asked = core.waits().cancel_asked(wait);
        Verdict::End(Err(match -outcome.result {
            _ if outcome.flags.contains(CompletionFlags::UNSUPPORTED) => Refusal::Unsupported,
            // An interruption that nobody asked for.
            libc::EINTR if !asked && P::REPEATABLE && !planted("interruption surfaces") => {
                if !self.is_unwanted(core) {
                    return Verdict::Repeat;
                }
                Refusal::Cancelled
            }
            libc::EINTR if asked && planted("interruption by a cancel surfaces") => {
                Refusal::System(libc::EINTR)
            }
            libc::EINTR | libc::ECANCELED if asked => {
                // SAFETY: used only here, while the wait is linked.
                let scope = unsafe { core.waits().scope(wait) };
                let wanted = scope.is_none_or(|scope| scope.is_effective());
                if !wanted && !planted("shield during an operation overlooked") && P::REPEATABLE {
                    // A shield came up meanwhile, so the cancellation is wanted no more. Nothing has happened yet, so
                    // it can begin again.
                    return Verdict::Repeat;
                }
                Refusal::Cancelled
            }
            number => Refusal::System(number),
        }))
    }

    #[inline]
    fn finish(&mut self, answer: Answer) -> P::Output {
        self.payload.take().expect("an operation is not polled after its output").finish(answer)
    }
}

/// What follows from the driver's answer.
enum Verdict {
    End(Answer),
    /// It is to be submitted again.
    Repeat,
}

impl<P: Payload> Operation<P> {
    /// The answer, which leaves what the operation owns where it is. Polled again, the operation begins anew.
    #[inline]
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        Core::with(|core| {
            let waits = core.waits();
            let wait = match self.wait {
                Some(wait) => wait,
                None if self.is_unwanted(core) => {
                    return core.poll_delivery(cx).map(|()| Err(Refusal::Cancelled));
                }
                None => {
                    let wait = waits.insert(WaitKind::Operation, P::REASON);
                    self.wait = Some(wait);
                    if !self.submit(core, wait, cx) {
                        return Poll::Pending;
                    }
                    wait
                }
            };
            loop {
                let Some(outcome) = waits.outcome(wait) else {
                    self.keep_waiting(core, wait, cx);
                    return Poll::Pending;
                };
                match self.judge(core, wait, outcome) {
                    Verdict::End(answer) => {
                        self.wait = None;
                        // Whoever waited was woken by the answer, so this drops nobody's waker.
                        drop(waits.remove(wait));
                        return Poll::Ready(answer);
                    }
                    Verdict::Repeat => {
                        waits.reset(wait);
                        if !self.submit(core, wait, cx) {
                            return Poll::Pending;
                        }
                    }
                }
            }
        })
    }
}

impl<P: Payload> Future for Operation<P> {
    type Output = P::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<P::Output> {
        self.poll_answer(cx).map(|answer| self.finish(answer))
    }
}

impl<P: Payload> Drop for Operation<P> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(wait), Some(payload)) = (self.wait.take(), self.payload.take()) {
            abandon(wait, Orphan(payload));
        }
    }
}

/// Gives up an operation whose waiter goes: disposes of its result now if it is there, else when it comes.
pub(crate) fn abandon(wait: WaitKey, orphan: impl Disposer + 'static) {
    let mut orphan = Some(orphan);
    Core::try_with(|core| {
        let waits = core.waits();
        if !waits.is_current(wait) {
            return;
        }
        let mut orphan = Box::new(orphan.take().expect("taken once"));
        if planted("slot given back in flight") {
            std::mem::forget(orphan);
            return drop(waits.remove(wait));
        }
        loop {
            match waits.take_next(wait) {
                Next::Result(outcome) => orphan.dispose_one_of_many(core, &outcome.completion(wait)),
                Next::Last(outcome) => return orphan.dispose(core, &outcome.completion(wait)),
                Next::Nothing => break,
            }
        }
        // At once, because what the operation holds may be needed by what comes next: the port of a listener, the end of a
        // stream that its peer is to see.
        waits.ask_cancel(wait);
        for completion in core.withdraw_operation(wait.token()) {
            if completion.is_final() {
                let waker = waits.remove(wait);
                orphan.dispose(core, &completion);
                return drop(waker);
            }
            orphan.dispose_one_of_many(core, &completion);
        }
        let number = core.orphans().adopt(orphan);
        drop(waits.orphan(wait, number));
    });
    // Otherwise the run is over, and with it the operation, unless it had to be given up.
    if let Some(orphan) = orphan.filter(|_| was_given_up(wait)) {
        std::mem::forget(orphan);
    }
}

struct Orphan<P>(P);

impl<P: Payload> Disposer for Orphan<P> {
    fn dispose_one_of_many(&mut self, _core: &Core, _completion: &Completion) {}

    fn dispose(self: Box<Self>, _core: &Core, completion: &Completion) {
        match u32::try_from(completion.result) {
            Ok(_) if planted("result of an orphan lost") => std::mem::forget(self.0),
            Ok(result) => self.0.dispose(result),
            Err(_) => {}
        }
    }
}
