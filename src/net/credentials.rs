//! Who is at the other end of a UNIX socket.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::of_peer;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use other::of_peer;

/// Who had the other end of a UNIX socket when it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The number of the effective user.
    pub user: u32,
    /// The number of the effective group.
    pub group: u32,
    /// The number of the process, where the system tells it (Linux).
    pub process: Option<u32>,
}
