//! Setting permissions without following links.
//!
//! # Contract
//! The call takes a path that ends in a zero byte and is there until it returns.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

/// Sets the mode of what has this name itself. Blocks.
pub(super) fn set_without_following(path: &Path, mode: u32) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: see the contract.
    let result = unsafe {
        libc::fchmodat(libc::AT_FDCWD, name.as_ptr(), mode as libc::mode_t, libc::AT_SYMLINK_NOFOLLOW)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
