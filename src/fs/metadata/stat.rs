//! The fields of the status that all Unix hosts have.

use super::Moment;
use anyio_driver::FileStatus;
use libc::mode_t;

pub(super) fn size(status: &FileStatus) -> u64 {
    status.st_size.cast_unsigned()
}

/// The bits of the mode that say what kind of thing it is.
pub(super) fn kind(status: &FileStatus) -> mode_t {
    status.st_mode & libc::S_IFMT
}

pub(super) fn mode(status: &FileStatus) -> u32 {
    status.st_mode.into()
}

pub(super) fn modified(status: &FileStatus) -> Moment {
    (status.st_mtime, status.st_mtime_nsec)
}

pub(super) fn accessed(status: &FileStatus) -> Moment {
    (status.st_atime, status.st_atime_nsec)
}

pub(super) fn changed(status: &FileStatus) -> Moment {
    (status.st_ctime, status.st_ctime_nsec)
}

/// Hosts disagree on whether and how they tell.
pub(super) fn created(_status: &FileStatus) -> Option<Moment> {
    None
}

pub(super) fn device(status: &FileStatus) -> u64 {
    status.st_dev as u64
}

pub(super) fn special_device(status: &FileStatus) -> u64 {
    status.st_rdev as u64
}

pub(super) fn inode(status: &FileStatus) -> u64 {
    status.st_ino
}

pub(super) fn links(status: &FileStatus) -> u64 {
    status.st_nlink as u64
}

pub(super) fn user(status: &FileStatus) -> u32 {
    status.st_uid
}

pub(super) fn group(status: &FileStatus) -> u32 {
    status.st_gid
}

pub(super) fn block_size(status: &FileStatus) -> u64 {
    status.st_blksize as u64
}

pub(super) fn blocks(status: &FileStatus) -> u64 {
    status.st_blocks as u64
}
