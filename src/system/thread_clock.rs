//! How much processor time a thread has taken: Linux.
//!
//! # Contract
//! The kernel writes one `timespec`, to a local variable of that type, or refuses the clock.

use std::{mem::MaybeUninit, time::Duration};

/// The clock of one thread, which any thread of the process can read. It goes on while the thread is in the kernel, and
/// stands still while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// That of this thread.
    pub(crate) fn of_this_thread() -> Option<Self> {
        // SAFETY: the call takes and gives numbers only.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) };
        // As `pthread_getcpuclockid` puts it together: the thread's number, and that it is a thread's time on processors.
        libc::clockid_t::try_from(thread).ok().map(|thread| Self((!thread << 3) | 0b110))
    }

    /// The processor time of the thread since its beginning, or `None` if it has ended.
    pub(crate) fn time(self) -> Option<Duration> {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: the kernel writes to the variable, which is read only if it has.
        let time = unsafe {
            if libc::clock_gettime(self.0, time.as_mut_ptr()) != 0 {
                return None;
            }
            time.assume_init()
        };
        Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::mpsc,
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn the_clock_of_a_thread_is_read_by_another_until_that_has_ended() {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let busy = thread::spawn(move || {
            let begun = Instant::now();
            let clock = ThreadClock::of_this_thread().unwrap();
            while clock.time().unwrap() < Duration::from_millis(2) {}
            tell.send((clock, begun.elapsed())).unwrap();
            // Waits, which takes no processor time.
            assert!(ended.recv().is_err());
        });
        let (clock, elapsed) = told.recv().unwrap();
        let time = clock.time().unwrap();
        assert!(time >= Duration::from_millis(2) && elapsed > Duration::ZERO, "{time:?}");
        drop(end);
        busy.join().unwrap();
        assert_ne!(ThreadClock::of_this_thread().unwrap(), clock);
    }
}
