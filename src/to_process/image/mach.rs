//! Where the program's own code lies, as the dynamic linker tells it.

use std::{env, ffi::c_void, io, mem::MaybeUninit, path::PathBuf};

/// How far from where the program lies this code is. `None` if it is not the program's.
pub(super) fn offset_of(address: usize) -> Option<usize> {
    let base = base_of(base_of as *const () as usize)?;
    (base_of(address)? == base).then(|| address.wrapping_sub(base))
}

/// The code at this distance, if that is the program's.
pub(super) fn address_at(offset: usize) -> Option<usize> {
    let address = base_of(base_of as *const () as usize)?.wrapping_add(offset);
    offset_of(address).map(|_| address)
}

/// The program's file.
pub(in crate::to_process) fn program() -> io::Result<PathBuf> {
    env::current_exe()
}

/// Where what the address belongs to lies.
fn base_of(address: usize) -> Option<usize> {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: the record is this function's own; the address is only looked up.
    let found = unsafe { libc::dladdr(address as *const c_void, info.as_mut_ptr()) };
    // SAFETY: it was filled.
    (found != 0).then(|| unsafe { info.assume_init() }.dli_fbase as usize)
}
