//! Statuses that are in memory.
//!
//! The status of an open file is kept by the kernel with the file. Asking for it with `AT_STATX_DONT_SYNC` never
//! waits for anything, but on network and user-space file systems it may be out of date. So it is used only on
//! devices that carry one of the local file systems known here. Which file system a device carries is asked once,
//! by a worker thread, since that question may have to wait for a server.
//!
//! File systems without a device of their own are left out: their numbers are used again for others after an
//! unmount.

use crate::{runtime::Descriptor, to_thread};
use anyio_driver::FileStatus;
use libc::c_int;
use std::{
    cell::RefCell,
    collections::HashMap,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

/// Means the descriptor itself.
pub(super) const ITSELF: c_int = libc::AT_EMPTY_PATH;

/// ext2 to ext4, XFS, F2FS.
const LOCAL: [u32; 3] = [0xEF53, 0x5846_5342, 0xF2F5_2010];

thread_local! {
    /// Whether the file system on a device is a local one.
    static DEVICES: RefCell<HashMap<(u32, u32), bool>> = RefCell::default();
}

/// The status, if it is in memory and known to be true.
pub(super) async fn of_descriptor(descriptor: &Descriptor) -> Option<FileStatus> {
    let status = remembered(descriptor.raw())?;
    if status.stx_dev_major == 0 {
        return None;
    }
    let device = (status.stx_dev_major, status.stx_dev_minor);
    let known = DEVICES.with_borrow(|devices| devices.get(&device).copied());
    let local = match known {
        Some(local) => local,
        None => {
            let copy = descriptor.as_fd().try_clone_to_owned().ok()?;
            // Without an answer (the scope may be cancelled) the driver is asked for the status.
            let local = to_thread::for_files(move || is_local(&copy)).await.ok()?;
            DEVICES.with_borrow_mut(|devices| devices.insert(device, local));
            local
        }
    };
    local.then_some(status)
}

/// What the kernel remembers of an open file, without asking anyone.
fn remembered(fd: RawFd) -> Option<FileStatus> {
    let mut status = MaybeUninit::<FileStatus>::zeroed();
    let flags = ITSELF | libc::AT_STATX_DONT_SYNC;
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // SAFETY: the path is a C string, and the status has room for what is written to it.
    match unsafe { libc::statx(fd, c"".as_ptr(), flags, mask, status.as_mut_ptr()) } {
        // SAFETY: the call has filled it.
        0 => Some(unsafe { status.assume_init() }),
        _ => None,
    }
}

fn is_local(file: &OwnedFd) -> bool {
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the status has room for what is written to it; zeroes are valid where nothing is.
    let status = unsafe {
        if libc::fstatfs(file.as_raw_fd(), status.as_mut_ptr()) != 0 {
            return false;
        }
        status.assume_init()
    };
    LOCAL.contains(&(status.f_type as u32))
}
