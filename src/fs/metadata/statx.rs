//! The fields of Linux's status.

use super::Moment;
use anyio_driver::FileStatus;
use libc::mode_t;

fn moment(time: &libc::statx_timestamp) -> Moment {
    (time.tv_sec, time.tv_nsec.into())
}

pub(super) fn size(status: &FileStatus) -> u64 {
    status.stx_size
}

/// The bits of the mode that say what kind of thing it is.
pub(super) fn kind(status: &FileStatus) -> mode_t {
    mode_t::from(status.stx_mode) & libc::S_IFMT
}

pub(super) fn mode(status: &FileStatus) -> u32 {
    status.stx_mode.into()
}

pub(super) fn modified(status: &FileStatus) -> Moment {
    moment(&status.stx_mtime)
}

pub(super) fn accessed(status: &FileStatus) -> Moment {
    moment(&status.stx_atime)
}

pub(super) fn changed(status: &FileStatus) -> Moment {
    moment(&status.stx_ctime)
}

pub(super) fn created(status: &FileStatus) -> Option<Moment> {
    (status.stx_mask & libc::STATX_BTIME != 0).then(|| moment(&status.stx_btime))
}

pub(super) fn device(status: &FileStatus) -> u64 {
    libc::makedev(status.stx_dev_major, status.stx_dev_minor)
}

pub(super) fn special_device(status: &FileStatus) -> u64 {
    libc::makedev(status.stx_rdev_major, status.stx_rdev_minor)
}

pub(super) fn inode(status: &FileStatus) -> u64 {
    status.stx_ino
}

pub(super) fn links(status: &FileStatus) -> u64 {
    status.stx_nlink.into()
}

pub(super) fn user(status: &FileStatus) -> u32 {
    status.stx_uid
}

pub(super) fn group(status: &FileStatus) -> u32 {
    status.stx_gid
}

pub(super) fn block_size(status: &FileStatus) -> u64 {
    status.stx_blksize.into()
}

pub(super) fn blocks(status: &FileStatus) -> u64 {
    status.stx_blocks
}
