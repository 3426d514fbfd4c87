//! The system's users and groups.
//!
//! # Contract
//! The records that the system fills point into a buffer that outlives their use, and strings are copied out of it
//! before it goes.

use libc::{c_char, c_int};
use std::{
    ffi::{CStr, CString, OsStr, OsString},
    io,
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr,
};

/// The most memory that one record may need, in bytes.
const MOST: usize = 1 << 20;

/// A user's name. Blocks.
pub(crate) fn user_name(id: u32) -> io::Result<OsString> {
    // SAFETY: the arguments are valid during the call; the name is read while its buffer is there.
    unsafe {
        lookup(
            |record, buffer, length, found| libc::getpwuid_r(id, record, buffer, length, found),
            |record: &libc::passwd| copy(record.pw_name),
        )
    }
}

/// A group's name. Blocks.
pub(crate) fn group_name(id: u32) -> io::Result<OsString> {
    // SAFETY: as above.
    unsafe {
        lookup(
            |record, buffer, length, found| libc::getgrgid_r(id, record, buffer, length, found),
            |record: &libc::group| copy(record.gr_name),
        )
    }
}

/// The number of the user with this name. Blocks.
pub(crate) fn user_id(name: &OsStr) -> io::Result<u32> {
    let name = CString::new(name.as_bytes())?;
    // SAFETY: as above.
    unsafe {
        lookup(
            |record, buffer, length, found| libc::getpwnam_r(name.as_ptr(), record, buffer, length, found),
            |record: &libc::passwd| record.pw_uid,
        )
    }
}

/// The number of the group with this name. Blocks.
pub(crate) fn group_id(name: &OsStr) -> io::Result<u32> {
    let name = CString::new(name.as_bytes())?;
    // SAFETY: as above.
    unsafe {
        lookup(
            |record, buffer, length, found| libc::getgrnam_r(name.as_ptr(), record, buffer, length, found),
            |record: &libc::group| record.gr_gid,
        )
    }
}

/// The home folder of the user with this name, or of the one whose process this is. Blocks.
pub(crate) fn home(name: Option<&OsStr>) -> io::Result<PathBuf> {
    let Some(name) = name else {
        if let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()) {
            return Ok(home.into());
        }
        // SAFETY: the arguments are valid during the call; the path is read while its buffer is there.
        return unsafe {
            lookup(
                |record, buffer, length, found| {
                    libc::getpwuid_r(libc::getuid(), record, buffer, length, found)
                },
                |record: &libc::passwd| copy(record.pw_dir).into(),
            )
        };
    };
    let name = CString::new(name.as_bytes())?;
    // SAFETY: as above.
    unsafe {
        lookup(
            |record, buffer, length, found| libc::getpwnam_r(name.as_ptr(), record, buffer, length, found),
            |record: &libc::passwd| copy(record.pw_dir).into(),
        )
    }
}

/// Asks for a record, with more room as long as it does not suffice.
///
/// # Safety
/// `ask` fills the record and the buffer, and makes `found` the record's address or null. `read` takes what it needs from
/// a record that was filled so.
unsafe fn lookup<R, T>(
    ask: impl Fn(*mut R, *mut c_char, usize, *mut *mut R) -> c_int,
    read: impl FnOnce(&R) -> T,
) -> io::Result<T> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    let mut record = MaybeUninit::<R>::uninit();
    loop {
        let mut found = ptr::null_mut();
        match ask(record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found) {
            0 => {
                // SAFETY: null, or the record that was filled.
                let found = unsafe { found.as_ref() };
                return found.map(read).ok_or_else(|| io::ErrorKind::NotFound.into());
            }
            libc::ERANGE if buffer.len() < MOST => buffer.resize(2 * buffer.len(), 0),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// # Safety
/// The pointer leads to a C string.
unsafe fn copy(text: *const c_char) -> OsString {
    // SAFETY: the caller's promise.
    OsStr::from_bytes(unsafe { CStr::from_ptr(text) }.to_bytes()).to_owned()
}
