//! Ctrl-C as a cancellation.

use super::{
    Signal,
    dispatch::Dispatch,
    listener::{Listener, Purpose},
};
use crate::runtime::Core;
use anyio_driver::Driver;
use std::{io, rc::Rc};

/// Whether the first `SIGINT` cancels a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InterruptHandling {
    /// If the run is on the process's main thread.
    OnMainThread,
    /// Yes.
    On,
    /// No.
    Off,
}

impl InterruptHandling {
    /// The same for a run that the calling thread lets other threads do.
    pub(crate) fn decided_here(self) -> Self {
        match self {
            Self::OnMainThread if is_main_thread() => Self::On,
            Self::OnMainThread => Self::Off,
            decided => decided,
        }
    }

    /// From now on the first `SIGINT` cancels the run, until the guard is dropped.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn begin(self, core: &Core) -> io::Result<Guard> {
        if self.decided_here() == Self::On {
            let listener = Listener::new(Purpose::Run, &[Signal::SIGINT], core.driver().unparker());
            let dispatch = Dispatch::of(core);
            dispatch.begin_run(listener)?;
            return Ok(Guard(Some(dispatch)));
        }
        Ok(Guard(None))
    }
}

/// Ends the handling of `SIGINT` when dropped.
pub(crate) struct Guard(Option<Rc<Dispatch>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(dispatch) = &self.0 {
            dispatch.end_run();
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_main_thread() -> bool {
    // SAFETY: both calls only ask.
    unsafe { libc::gettid() == libc::getpid() }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_main_thread() -> bool {
    // SAFETY: the call only asks.
    unsafe { libc::pthread_main_np() != 0 }
}

#[cfg(test)]
mod tests {
    use crate::{Builder, ReasonKind, Scope, runtime::Core, sleep_forever, testing::test_backends};

    #[test]
    fn an_interrupt_is_the_reason_of_the_cancellation() {
        // SAFETY: no handler is replaced. Whoever started the tests may have it ignored, and then runs leave it alone.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        for backend in test_backends() {
            let reason = Builder::new().backend(backend).handle_interrupt(true).run(async || {
                // SAFETY: the run handles the first signal of this kind.
                unsafe { libc::raise(libc::SIGINT) };
                sleep_forever().await;
                Core::with(|core| core.scope().and_then(Scope::reason))
            });
            assert_eq!(reason.unwrap().map(|reason| reason.kind()), Some(ReasonKind::Interrupt));
        }
    }
}
