//! What differs between hosts.
//!
//! Each host's modules have the same functions. Results are as completions carry them: a count or a descriptor,
//! or an error's number made negative. What takes pointers keeps the contract of the operation of that name.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod kqueue;
#[cfg(not(target_os = "linux"))]
pub(crate) use kqueue::*;

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(target_vendor = "apple")]
pub(crate) use apple::*;

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
mod bsd;
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) use bsd::*;

#[cfg(target_os = "freebsd")]
mod planning;
#[cfg(target_os = "freebsd")]
pub(crate) use planning::*;

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
mod no_planning;
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
pub(crate) use no_planning::*;

mod process;
pub(crate) use process::wait_process;
