//! Fetching a file's status.
//!
//! Through the ring a status always goes by way of one of the kernel's worker threads, which costs several times the
//! call itself. The status of an open file on a local file system is in memory, so there it is fetched at once.

#[cfg(target_os = "linux")]
mod in_memory;
#[cfg(not(target_os = "linux"))]
#[path = "status/not_in_memory.rs"]
mod in_memory;

use crate::{
    fs::checkpoint::checkpoint,
    runtime::{Answer, Descriptor, Operation, Payload, Refusal, WaitReason},
};
use anyio_driver::{FileStatus, Op};
use libc::{AT_FDCWD, c_int};
use std::{ffi::CString, mem::MaybeUninit};

/// A request for the status of a path, or of an open file.
struct Status {
    descriptor: Option<Descriptor>,
    path: CString,
    flags: c_int,
    status: Box<MaybeUninit<FileStatus>>,
}

// SAFETY: the path and the status lie on the heap; a share of the descriptor is the operation's.
unsafe impl Payload for Status {
    const REASON: WaitReason = WaitReason::File;

    type Output = Result<FileStatus, Refusal>;

    fn op(&mut self) -> Op {
        Op::Status {
            directory: self.descriptor.as_ref().map_or(AT_FDCWD, Descriptor::raw),
            path: self.path.as_ptr(),
            flags: self.flags,
            status: self.status.as_mut_ptr(),
        }
    }

    fn finish(self, answer: Answer) -> Self::Output {
        // SAFETY: the status was filled, since the operation succeeded.
        answer.map(|_| *unsafe { self.status.assume_init() })
    }
}

/// The status of a path; of a link itself, or of what it leads to.
pub(in crate::fs) async fn of_path(path: CString, follow: bool) -> Result<FileStatus, Refusal> {
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    Operation::new(Status { descriptor: None, path, flags, status: Box::new(MaybeUninit::zeroed()) }).await
}

/// The status of an open file, and whether it was fetched at once: then the file is on a local file system.
pub(in crate::fs) async fn of_descriptor(descriptor: &Descriptor) -> Result<(FileStatus, bool), Refusal> {
    if let Some(status) = in_memory::of_descriptor(descriptor).await {
        checkpoint().await.map_err(|_| Refusal::Cancelled)?;
        return Ok((status, true));
    }
    let status = Box::new(MaybeUninit::zeroed());
    let descriptor = Some(descriptor.clone());
    let path = CString::default();
    let status = Operation::new(Status { descriptor, path, flags: in_memory::ITSELF, status }).await?;
    Ok((status, false))
}
