//! The operating system's name.
//!
//! # Contract
//! The kernel fills a local record with texts that end with a zero.

use std::{ffi::CStr, mem};

/// The operating system's name, its release and the kind of machine.
pub(super) fn name() -> String {
    // SAFETY: all zeroes is a valid record, and one of empty texts.
    let mut names: libc::utsname = unsafe { mem::zeroed() };
    // SAFETY: the record may be filled.
    unsafe { libc::uname(&mut names) };
    [&names.sysname, &names.release, &names.machine]
        // SAFETY: each text ends within its array.
        .map(|text| unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy())
        .join(" ")
}
