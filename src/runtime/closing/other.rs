//! Where file systems are not known by their numbers.

use std::os::fd::OwnedFd;

/// Whether it is known that a file is closed without waiting for anybody.
pub(super) fn is_local(_: &OwnedFd) -> bool {
    false
}
