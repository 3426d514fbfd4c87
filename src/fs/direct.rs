//! Access to files past the page cache.

use libc::c_int;

/// The flag that asks for it, where there is one.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
pub(super) const DIRECT: Option<c_int> = Some(libc::O_DIRECT);
/// There is none.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
pub(super) const DIRECT: Option<c_int> = None;

/// Whether a file opened with these flags goes past the page cache.
pub(super) fn is_direct(flags: c_int) -> bool {
    DIRECT.is_some_and(|direct| flags & direct != 0)
}
