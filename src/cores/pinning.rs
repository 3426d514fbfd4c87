//! Which processor a thread runs on: Linux.
//!
//! # Contract
//! Sets of processors are passed with their size, and numbers of processors stay below the size of a set.

/// The processors that this process may use.
pub(super) fn processors() -> Vec<usize> {
    // SAFETY: a set of zeros is an empty set, and the call fills it within its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        set
    };
    // SAFETY: the numbers stay below the size of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&processor| unsafe { libc::CPU_ISSET(processor, &set) }).collect()
}

/// Lets this thread run on one processor only, if the host allows it.
pub(super) fn pin_to(processor: usize) {
    // SAFETY: the set is valid, and the number came out of such a set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}
