//! Results of system calls as the completions carry them.

use std::io;

/// The number of the last system call's error.
pub(crate) fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// An error's number, made negative.
pub(crate) fn negative(error: &io::Error) -> i32 {
    -error.raw_os_error().unwrap_or(libc::EIO)
}

/// Makes a system call again as long as signals interrupt it. Gives its result, or its error made negative.
#[inline]
pub(crate) fn uninterrupted<T: TryInto<i32>>(mut call: impl FnMut() -> T) -> i32 {
    loop {
        // Counts that do not fit cannot occur: no piece of memory in an operation is longer than the kernel's
        // own limit of 2 GiB for one call.
        let result = call().try_into().unwrap_or(i32::MAX);
        if result >= 0 {
            return result;
        }
        match last_error() {
            libc::EINTR => {}
            error => return -error,
        }
    }
}
