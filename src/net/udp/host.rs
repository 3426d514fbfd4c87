//! What the system tells of datagrams, and is told, beside their bytes.
//!
//! Each host's module has the same functions.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::*;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use other::*;

use super::Ecn;
use std::net::IpAddr;

/// What belongs to a datagram that was received.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Belongings {
    pub(super) to: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    pub(super) ecn: Option<Ecn>,
    /// The size of each of several datagrams that came as one.
    pub(super) segment_size: Option<usize>,
}
