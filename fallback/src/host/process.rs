//! Looking whether a child process has ended.

use crate::system::uninterrupted;
use libc::{c_int, id_t, pid_t, siginfo_t};

/// Waits for a process without blocking; `None` if there is nothing to report yet.
///
/// # Safety
/// `info` is null or may be filled.
pub(crate) unsafe fn wait_process(pid: pid_t, info: *mut siginfo_t, options: c_int) -> Option<i32> {
    // SAFETY: all zeroes is a valid record, and one of no process.
    let mut own: siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the record is this function's own.
    let result = uninterrupted(|| unsafe {
        libc::waitid(libc::P_PID, pid as id_t, &mut own, options | libc::WNOHANG)
    });
    // SAFETY: the call has filled the record with that of a child, or left the zeroes.
    let nothing = result == 0 && unsafe { own.si_pid() } == 0;
    if nothing && options & libc::WNOHANG == 0 {
        return None;
    }
    if result == 0 && !info.is_null() {
        // SAFETY: the caller's promise.
        unsafe { info.write(own) };
    }
    Some(result)
}
