//! The file systems that Linux closes files on without waiting for anybody.

use crate::runtime::calls;
use std::os::fd::{AsFd, OwnedFd};

/// ext2 to ext4, XFS, F2FS, Btrfs, bcachefs, ZFS, tmpfs, ramfs, those of huge pages, `/proc`, `/sys`, and that of the
/// descriptors of processes.
const LOCAL: [u32; 12] = [
    0xEF53,
    0x5846_5342,
    0xF2F5_2010,
    0x9123_683E,
    0xCA45_1A4E,
    0x2FC1_2FC1,
    0x0102_1994,
    0x8584_58F6,
    0x9584_58F6,
    0x9FA0,
    0x6265_6572,
    0x5049_4446,
];

/// Whether a file lies on one of them.
pub(super) fn is_local(file: &OwnedFd) -> bool {
    calls::file_system(file.as_fd()).is_ok_and(|number| LOCAL.contains(&number))
}
