//! A stream of signals.

use super::{
    Signal,
    dispatch::Dispatch,
    handler,
    listener::{Listener, Purpose},
    received::Received,
};
use crate::{
    error::{Cancelled, Error, Result},
    runtime::{Core, RunId, WaitQueue, WaitReason, Waiter},
    streams::{Attributes, ObjectReceiveStream},
};
use anyio_driver::Driver;
use std::{future::poll_fn, io, marker::PhantomData, rc::Rc, sync::Arc, task::Poll};

/// The signals that come for this process, among those it was opened for. Made by [`receiver`].
///
/// Dropping it closes it. It belongs to the run in which it was opened.
#[derive(Debug)]
#[must_use = "dropping the receiver lets the signals do again what they did before"]
pub struct SignalReceiver {
    received: Rc<Received>,
    run: RunId,
    _thread: PhantomData<*const ()>,
}

/// Opens a stream of these signals; repeated ones count once. As long as it is open they do nothing else.
///
/// There may be many receivers at a time, also of the same signals and on several cores: each gets every signal. When
/// the last receiver of a signal is dropped, the signal does again what it did before (unless other code has set
/// something new meanwhile).
///
/// ```
/// use anyio::signal::{Signal, receiver};
///
/// # fn raise(signal: Signal) { unsafe { libc::raise(signal.as_raw()) }; }
/// # anyio::run(async || -> anyio::Result<()> {
/// let signals = receiver(&[Signal::SIGHUP, Signal::SIGTERM])?;
/// raise(Signal::SIGHUP);
/// assert_eq!(signals.receive().await?, Signal::SIGHUP);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if there are no signals given, or one that cannot be received:
/// `SIGKILL` and `SIGSTOP`, which the system keeps to itself, and the processor's faults `SIGSEGV`, `SIGBUS`, `SIGFPE`
/// and `SIGILL`. What the system says if it refuses another one.
///
/// # Panics
/// Outside of a run.
pub fn receiver(signals: &[Signal]) -> io::Result<SignalReceiver> {
    let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if signals.is_empty() {
        return refuse("a receiver of signals needs at least one signal".into());
    }
    if let Some(signal) = signals.iter().find(|signal| !signal.can_be_received()) {
        return refuse(format!("{signal} cannot be received"));
    }
    Core::with(|core| {
        let unparker = core.driver().unparker();
        let listener = Arc::new(Listener::new(Purpose::Receiver, signals, unparker));
        handler::register(&listener)?;
        let received = Rc::new(Received { listener, waiting: WaitQueue::new() });
        Dispatch::of(core).add(received.clone());
        Ok(SignalReceiver { received, run: core.run(), _thread: PhantomData })
    })
}

impl SignalReceiver {
    /// The next signal, in the order of arrival. Those that came since the receiver was opened are kept until they are
    /// received; a signal that comes again before that is received once, as the operating system does it, too. When
    /// several tasks wait, each signal goes to one of them.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled. [`Error::ClosedResource`] in another run than that in which the
    /// receiver was opened.
    ///
    /// # Cancel safety
    /// No signal is lost; the next call gives it.
    pub async fn receive(&self) -> Result<Signal> {
        let Received { listener, waiting } = &*self.received;
        let mut receive = Receive { waiting, waiter: Waiter::new(WaitReason::Signal) };
        poll_fn(|cx| {
            Core::with(|core| {
                if !receive.waiter.is_waiting() {
                    if core.run() != self.run {
                        return Poll::Ready(Err(Error::ClosedResource));
                    }
                    if core.reach_checkpoint() {
                        return core.poll_delivery(cx).map(|()| Err(Cancelled::new().into()));
                    }
                    if core.poll_immediate(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                loop {
                    if !receive.waiter.is_waiting() {
                        if let Some(signal) = listener.take() {
                            return Poll::Ready(Ok(signal));
                        }
                    }
                    match receive.waiter.poll(core, waiting, cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(woken) => woken?,
                    };
                }
            })
        })
        .await
    }

    /// The signals for which the receiver was opened, in the order of their numbers.
    pub fn signals(&self) -> impl Iterator<Item = Signal> {
        self.received.listener.signals()
    }
}

/// Signals never end.
impl ObjectReceiveStream for SignalReceiver {
    type Item = Signal;

    async fn receive(&mut self) -> Result<Option<Signal>> {
        SignalReceiver::receive(self).await.map(Some)
    }
}

impl Attributes for SignalReceiver {}

impl Drop for SignalReceiver {
    fn drop(&mut self) {
        handler::deregister(&self.received.listener);
        Core::try_with(|core| Dispatch::of(core).remove(&self.received));
    }
}

struct Receive<'a> {
    waiting: &'a WaitQueue,
    waiter: Waiter,
}

impl Drop for Receive<'_> {
    fn drop(&mut self) {
        // All who wait are notified, so nothing need be passed on.
        self.waiter.withdraw(self.waiting);
    }
}
