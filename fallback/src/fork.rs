//! Noticing that this process is the child of a fork.

use std::sync::{
    Once,
    atomic::{AtomicU32, Ordering},
};

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks (without exec) lie between the process that first asked and this one.
pub(crate) fn generation() -> u32 {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // A failure, for lack of memory, only means that the child of a fork is not recognised.
        // SAFETY: the handler does nothing that is forbidden in a child: it adds to an atomic.
        unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    });
    FORKS.load(Ordering::Relaxed)
}

/// The same, once [`generation`] has been called.
#[inline]
pub(crate) fn current() -> u32 {
    FORKS.load(Ordering::Relaxed)
}
