//! What this process may use: descriptors and processors.
//!
//! The unsafe blocks only pass pointers to live local values to system calls that do not keep them.

use std::io;

/// Raises the soft limit of open descriptors to the hard one and returns it.
pub(crate) fn raise_open_files() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live, writable rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(usize::try_from(limit.rlim_max).unwrap_or(usize::MAX))
}

/// Keeps the calling thread, and the threads it starts from now on, on one processor.
pub(crate) fn pin_to_core(core: usize) -> io::Result<()> {
    pin_to_cores(&[core])
}

/// Keeps the calling thread, and the threads it starts from now on, on these processors.
pub(crate) fn pin_to_cores(cores: &[usize]) -> io::Result<()> {
    if cores.iter().any(|&core| core >= libc::CPU_SETSIZE as usize) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such processor"));
    }
    // SAFETY: a cpu_set_t is plain bits, of which all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &core in cores {
        // SAFETY: the index was checked against the size of the set.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the pointer is to a live set of the given size.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
