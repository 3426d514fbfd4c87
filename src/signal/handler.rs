//! The signal handler of this process, and the list of those whom it tells.
//!
//! # Contract
//! The handler may interrupt any code on any thread, also that which holds locks or allocates. So it takes no lock,
//! allocates and frees nothing, and calls only what signal handlers may call. What it reads is an immutable list behind
//! an atomic pointer. Whoever changes the list puts a new one in its place, waits until no handler runs that may have
//! seen the old one, and only then frees that. A handler never waits for anybody, so this ends.
//!
//! What a signal did before its first listener is kept, and put back when the last one goes, unless somebody else has
//! set something there meanwhile.

use super::{
    Signal,
    listener::{Listener, Purpose},
};
use crate::runtime::announce;
use anyio_driver::Unparker;
use libc::{c_int, sigaction};
use std::{
    io, mem, ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// The listeners, for the handler; null while there are none.
static LISTENERS: AtomicPtr<Vec<Arc<Listener>>> = AtomicPtr::new(ptr::null_mut());

/// How many handlers run that may have seen the list.
static HANDLERS: AtomicUsize = AtomicUsize::new(0);

/// The number of the last arrival.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// The signals that have the handler, with what they did before.
static INSTALLED: Mutex<Vec<(Signal, sigaction)>> = Mutex::new(Vec::new());

/// Tells a listener about its signals from now on.
///
/// # Errors
/// If the system does not let one of the signals be caught.
pub(super) fn register(listener: &Arc<Listener>) -> io::Result<()> {
    let mut installed = lock();
    change(|listeners| listeners.push(listener.clone()));
    for signal in listener.signals() {
        if let Err(error) = install(&mut installed, signal) {
            forget(&mut installed, listener);
            return Err(error);
        }
    }
    Ok(())
}

/// Makes a listener for those of the signals that have their default effect, or this handler already, and tells it about them
/// from now on. `None` if there are none.
///
/// # Errors
/// If the system does not let one of the signals be caught.
pub(super) fn register_where_default(
    purpose: Purpose,
    signals: &[Signal],
    unparker: Unparker,
) -> io::Result<Option<Arc<Listener>>> {
    let mut free = Vec::new();
    {
        let installed = lock();
        for &signal in signals {
            if installed.iter().any(|(known, _)| *known == signal)
                || current(signal)?.sa_sigaction == libc::SIG_DFL
            {
                free.push(signal);
            }
        }
    }
    if free.is_empty() {
        return Ok(None);
    }
    let listener = Arc::new(Listener::new(purpose, &free, unparker));
    register(&listener)?;
    Ok(Some(listener))
}

/// Tells a listener no more.
pub(super) fn deregister(listener: &Arc<Listener>) {
    forget(&mut lock(), listener);
}

fn lock() -> MutexGuard<'static, Vec<(Signal, sigaction)>> {
    // What can panic under the lock is allocation only, and that aborts.
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(installed: &mut Vec<(Signal, sigaction)>, listener: &Arc<Listener>) {
    let mut unwanted: Vec<Signal> = listener.signals().collect();
    change(|listeners| {
        listeners.retain(|known| !Arc::ptr_eq(known, listener));
        unwanted.retain(|signal| !listeners.iter().any(|other| other.wants(signal.as_raw())));
    });
    installed.retain(|(signal, before)| {
        let keep = !unwanted.contains(signal);
        if !keep {
            restore(*signal, before);
        }
        keep
    });
}

/// Puts a changed list in the place of the present one.
fn change(change: impl FnOnce(&mut Vec<Arc<Listener>>)) {
    let old = LISTENERS.load(Ordering::SeqCst);
    // SAFETY: the list is changed and freed only under the lock that this function's callers hold.
    let mut listeners = unsafe { old.as_ref() }.cloned().unwrap_or_default();
    change(&mut listeners);
    let new = match listeners.is_empty() {
        true => ptr::null_mut(),
        false => Box::into_raw(Box::new(listeners)),
    };
    LISTENERS.store(new, Ordering::SeqCst);
    while HANDLERS.load(Ordering::SeqCst) != 0 {
        thread::yield_now();
    }
    if !old.is_null() {
        // SAFETY: it was made by `Box::into_raw` here, and handlers that begin now see the new list.
        drop(unsafe { Box::from_raw(old) });
    }
}

/// What a signal does now.
fn current(signal: Signal) -> io::Result<sigaction> {
    // SAFETY: all zeroes is a valid value, which the call fills.
    unsafe {
        let mut now: sigaction = mem::zeroed();
        match libc::sigaction(signal.as_raw(), ptr::null(), &mut now) {
            0 => Ok(now),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn handler() -> usize {
    let function: extern "C" fn(c_int) = on_signal;
    function as usize
}

fn install(installed: &mut Vec<(Signal, sigaction)>, signal: Signal) -> io::Result<()> {
    if installed.iter().any(|(known, _)| *known == signal) {
        return Ok(());
    }
    // SAFETY: all zeroes is a valid value: no flags, and no signals blocked meanwhile. The handler keeps to what
    // handlers may do: see the contract. Interrupted system calls of other code are started again.
    unsafe {
        let mut new: sigaction = mem::zeroed();
        new.sa_sigaction = handler();
        new.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        let mut before: sigaction = mem::zeroed();
        if libc::sigaction(signal.as_raw(), &new, &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        installed.push((signal, before));
    }
    Ok(())
}

fn restore(signal: Signal, before: &sigaction) {
    if current(signal).is_ok_and(|now| now.sa_sigaction == handler()) {
        // SAFETY: this was set before, by whoever answers for it.
        unsafe { libc::sigaction(signal.as_raw(), before, ptr::null_mut()) };
    }
}

/// Called by the system, at any time, on any thread.
extern "C" fn on_signal(signal: c_int) {
    let kept = errno::read();
    HANDLERS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: a list is freed only when no handler runs that may have seen it.
    let listeners = unsafe { LISTENERS.load(Ordering::SeqCst).as_ref() };
    if let Some(listeners) = listeners {
        tell(listeners, signal);
    }
    HANDLERS.fetch_sub(1, Ordering::SeqCst);
    errno::write(kept);
}

fn tell(listeners: &[Arc<Listener>], signal: c_int) {
    let all_of = |receivers| {
        let wanted = move |listener: &&Arc<Listener>| {
            (listener.purpose == Purpose::Receiver) == receivers && listener.wants(signal)
        };
        listeners.iter().filter(wanted)
    };
    // Who opens a receiver wants to deal with the signal in another way than the run would.
    let receivers = all_of(true).next().is_some();
    let number = ARRIVALS.fetch_add(1, Ordering::AcqRel) + 1;
    let (mut any, mut told) = (false, false);
    for listener in all_of(receivers) {
        any = true;
        told |= listener.note(signal, number);
    }
    if any && !told && !receivers {
        // All runs have been told before, and still the user insists.
        // SAFETY: both calls are allowed in handlers. The signal is blocked until the handler returns.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        return;
    }
    announce();
    for listener in all_of(receivers) {
        listener.wake();
    }
}

/// The thread's error number, which a handler must leave as it was.
mod errno {
    #[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "android"))]
    use libc::__errno as location;
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "dragonfly"))]
    use libc::__errno_location as location;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    use libc::__error as location;

    pub(super) fn read() -> i32 {
        // SAFETY: the pointer leads to the calling thread's own number.
        unsafe { *location() }
    }

    pub(super) fn write(number: i32) {
        // SAFETY: as above.
        unsafe { *location() = number }
    }
}
