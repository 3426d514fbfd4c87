//! Where programs and tests that have an attribute begin and end. For the attributes' use alone.

use crate::{
    error::{CancelAware, ReasonKind},
    running::Builder,
    scope::current_cancel_reason,
};
use std::{
    io::{self, Write},
    mem,
    process::exit,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// The first that a program with `#[anyio::main]` does.
pub fn of_program() {
    #[cfg(feature = "processes")]
    crate::to_process::serve();
}

/// The first that a test with `#[anyio::test]` does.
pub fn of_test(path: &'static str) {
    #[cfg(feature = "processes")]
    crate::to_process::serve_in_test(path);
    #[cfg(not(feature = "processes"))]
    let _ = path;
}

/// Whether a main task ended in a run that was interrupted.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The last that a main task does, on each core: notes whether it was interrupted.
pub fn note_end() {
    if current_cancel_reason().is_some_and(|reason| reason.kind() == ReasonKind::Interrupt) {
        INTERRUPTED.store(true, Ordering::SeqCst);
    }
}

/// Runs a program.
///
/// # Panics
/// If the run cannot begin.
#[track_caller]
pub fn run<T>(builder: &Builder, main: impl AsyncFnOnce() -> T) -> T {
    let ended = builder.run(async || {
        let value = main().await;
        note_end();
        value
    });
    match ended {
        Ok(value) => value,
        Err(error) => panic!("anyio cannot run: {error}"),
    }
}

/// What a program has come to, to be asked whether that is a cancellation, whatever its type is.
#[derive(Debug)]
pub struct Came<'a, R>(pub &'a R);

/// Asks results whose errors may be cancellations.
pub trait OfResult<Via> {
    /// Whether it is one.
    fn is_cancelled(&self) -> bool;
}

impl<T, E: CancelAware<Via>, Via> OfResult<Via> for Came<'_, Result<T, E>> {
    fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_err_and(CancelAware::is_cancelled)
    }
}

/// Asks everything else. It comes second, since it is of a reference.
pub trait OfAnything {
    /// Whether it is one: no.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<R> OfAnything for &Came<'_, R> {}

/// Ends the program as the signal would have done, if an interrupt has cancelled it and its value is the cancellation: quietly,
/// and so that a shell which has started it knows.
pub fn end<R>(value: R, is_cancelled: bool) -> R {
    if !is_cancelled || !INTERRUPTED.load(Ordering::SeqCst) {
        return value;
    }
    drop(value);
    // Nobody is left to be told if that fails.
    let _ = io::stdout().flush();
    // SAFETY: the signal gets its default effect, on this thread, too, and is sent to it.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        let mut signals = mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &signals, ptr::null_mut());
        libc::raise(libc::SIGINT);
    }
    // What a shell says of who died by this signal.
    exit(128 + libc::SIGINT)
}
