//! Ctrl-C as the end of a run.

use super::{choice::Interrupt, dispatch::Dispatch};
use crate::runtime::Core;
use anyio_driver::Driver;
use std::{io, rc::Rc};

/// When it is decided what the run makes of Ctrl-C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InterruptHandling {
    /// When it begins: it is cancelled if it is on the process's main thread.
    OnMainThread,
    Decided(Interrupt),
}

impl InterruptHandling {
    /// The same for a run that the calling thread lets other threads do.
    pub(crate) fn decided_here(self) -> Self {
        match self {
            Self::OnMainThread if is_main_thread() => Self::Decided(Interrupt::Cancel),
            Self::OnMainThread => Self::Decided(Interrupt::Ignore),
            decided => decided,
        }
    }

    /// From now on the signals end the run, until the guard is dropped.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn begin(self, core: &Core) -> io::Result<Guard> {
        match self.decided_here() {
            Self::OnMainThread | Self::Decided(Interrupt::Ignore) => Ok(Guard(None)),
            Self::Decided(interrupt) => {
                let dispatch = Dispatch::of(core);
                dispatch.begin_run(interrupt, core.driver().unparker())?;
                Ok(Guard(Some(dispatch)))
            }
        }
    }
}

/// Ends the handling of the signals when dropped.
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
    use crate::{
        Builder, Error, Interrupt, ReasonKind, Scope, runtime::Core, sleep_forever, testing::test_backends,
    };

    #[test]
    fn an_interrupt_is_the_reason_of_the_cancellation() {
        // SAFETY: no handler is replaced. Whoever started the tests may have it ignored, and then runs leave it alone.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        for backend in test_backends() {
            let reason = Builder::new().backend(backend).interrupt(Interrupt::Cancel).run(async || {
                // SAFETY: the run handles the first signal of this kind.
                unsafe { libc::raise(libc::SIGINT) };
                sleep_forever().await;
                Core::with(|core| core.scope().and_then(Scope::reason))
            });
            assert_eq!(reason.unwrap().map(|reason| reason.kind()), Some(ReasonKind::Interrupt));
        }
    }

    #[test]
    fn at_the_root_a_cancellation_says_what_it_came_from() {
        for backend in test_backends() {
            let cancelled = Builder::new().backend(backend).run(async || -> Result<(), Error> {
                Core::with(|core| core.tell_run(|scope| scope.cancel_because("for a test")));
                Err(sleep_forever().await.into())
            });
            let cancelled = cancelled.unwrap().unwrap_err();
            for text in [cancelled.to_string(), format!("{cancelled:?}")] {
                assert!(text.contains("interrupt.rs") && text.contains("for a test"), "{text}");
            }
            Builder::new()
                .backend(backend)
                .run(async || assert_eq!(cancelled.to_string(), "cancelled"))
                .unwrap();
            assert_eq!(cancelled.to_string(), "cancelled", "the last run was not cancelled");
        }
    }
}
