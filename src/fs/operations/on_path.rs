//! Operations on names.

use crate::{
    error::{Error, Result},
    runtime::{Answer, Descriptor, Payload, WaitReason},
};
use anyio_driver::Op;
use libc::{AT_FDCWD, c_int, mode_t};
use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

/// A path as the kernel takes it.
///
/// # Errors
/// If there is a zero byte in it.
pub(in crate::fs) fn c_path(path: &Path, operation: &'static str) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the path contains a zero byte");
        Error::of_operation(error, operation, path.display())
    })
}

/// An operation on one or two paths, relative to the current folder.
pub(in crate::fs) enum OnPath {
    Open { path: CString, flags: c_int, mode: mode_t },
    Unlink { path: CString, flags: c_int },
    Rename { from: CString, to: CString, flags: u32 },
    MakeDirectory { path: CString, mode: mode_t },
    Link { from: CString, to: CString },
    SymbolicLink { target: CString, path: CString },
}

// SAFETY: the paths are owned and lie on the heap.
unsafe impl Payload for OnPath {
    const REASON: WaitReason = WaitReason::File;

    type Output = Answer;

    fn op(&mut self) -> Op {
        match self {
            Self::Open { path, flags, mode } => {
                Op::Open { directory: AT_FDCWD, path: path.as_ptr(), flags: *flags, mode: *mode }
            }
            Self::Unlink { path, flags } => {
                Op::Unlink { directory: AT_FDCWD, path: path.as_ptr(), flags: *flags }
            }
            Self::Rename { from, to, flags } => Op::Rename {
                from_directory: AT_FDCWD,
                from: from.as_ptr(),
                to_directory: AT_FDCWD,
                to: to.as_ptr(),
                flags: *flags,
            },
            Self::MakeDirectory { path, mode } => {
                Op::MakeDirectory { directory: AT_FDCWD, path: path.as_ptr(), mode: *mode }
            }
            Self::Link { from, to } => Op::Link {
                from_directory: AT_FDCWD,
                from: from.as_ptr(),
                to_directory: AT_FDCWD,
                to: to.as_ptr(),
                flags: 0,
            },
            Self::SymbolicLink { target, path } => {
                Op::SymbolicLink { target: target.as_ptr(), directory: AT_FDCWD, path: path.as_ptr() }
            }
        }
    }

    fn finish(self, answer: Answer) -> Answer {
        answer
    }

    fn dispose(self, result: u32) {
        if let Self::Open { .. } = self {
            // SAFETY: the operation has opened this descriptor, and nobody else knows of it.
            drop(unsafe { Descriptor::from_answer(result) });
        }
    }
}
