//! Waits that the system does not end in time.

use anyio::{Builder, Result, lowlevel, sleep, testing::test_backends};
use std::{mem, ptr, thread, time::Duration};

/// Keeps its thread busy for a while.
extern "C" fn dawdle(_: libc::c_int) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 60_000_000 };
    // SAFETY: the time is valid, what is left of it is not asked for, and handlers of signals may call this.
    unsafe { libc::nanosleep(&time, ptr::null_mut()) };
}

#[test]
fn a_wait_that_ends_late_is_counted() {
    // SAFETY: all zeroes is a valid set of flags and signals; the handler does what handlers may.
    let before = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = dawdle as *const () as usize;
        let mut before = mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, &mut before), 0);
        before
    };
    for backend in test_backends() {
        let ran = Builder::new().backend(backend).run(async || -> Result<(u64, u64)> {
            let none = lowlevel::statistics().late_waits;
            // SAFETY: this thread waits for the other below.
            let this = unsafe { libc::pthread_self() };
            let disturber = thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                // SAFETY: the thread is there until this one has ended.
                unsafe { libc::pthread_kill(this, libc::SIGUSR2) }
            });
            sleep(Duration::from_millis(40)).await?;
            assert_eq!(disturber.join().unwrap(), 0);
            Ok((none, lowlevel::statistics().late_waits))
        });
        let (none, late) = ran.unwrap().unwrap();
        assert!(none == 0 && late >= 1, "{backend}: {none} and then {late}");
    }
    // SAFETY: this is what there was before.
    unsafe { libc::sigaction(libc::SIGUSR2, &before, ptr::null_mut()) };
}
