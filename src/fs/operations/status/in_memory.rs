//! Statuses that are in memory.
//!
//! The status of an open file is kept by the kernel with the file. Asking for it with `AT_STATX_DONT_SYNC` never
//! waits for anything, but on network and user-space file systems it may be out of date. So it is used only on
//! devices that carry one of the local file systems known here. Which file system a device carries is asked once,
//! by a worker thread, since that question may have to wait for a server.
//!
//! File systems without a device of their own are left out: their numbers are used again for others after an
//! unmount.

use crate::{
    runtime::{Descriptor, calls},
    to_thread,
};
use anyio_driver::FileStatus;
use libc::c_int;
use std::{
    cell::RefCell,
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
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
    let status = calls::cached_status(descriptor.raw()).ok()?;
    if status.stx_dev_major == 0 {
        return None;
    }
    let device = (status.stx_dev_major, status.stx_dev_minor);
    let known = DEVICES.with_borrow(|devices| devices.get(&device).copied());
    let local = match known {
        Some(local) => local,
        None => {
            let copy = calls::duplicate(descriptor).ok()?;
            // Without an answer (the scope may be cancelled) the driver is asked for the status.
            let local = to_thread::for_files(move || is_local(&copy)).await.ok()?;
            DEVICES.with_borrow_mut(|devices| devices.insert(device, local));
            local
        }
    };
    local.then_some(status)
}

/// Asked in a worker thread, as a file system that is none of those may have to ask a server.
fn is_local(file: &OwnedFd) -> bool {
    calls::file_system(file.as_fd()).is_ok_and(|number| LOCAL.contains(&number))
}
