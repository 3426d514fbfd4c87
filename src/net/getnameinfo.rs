//! Names for addresses.

use super::name_service::names_of;
use crate::{
    error::{Error, Result},
    to_thread,
};
use bitflags::bitflags;
use std::net::SocketAddr;

bitflags! {
    /// How a name is to be looked up. See `getnameinfo(3)`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct NameInfoFlags: i32 {
        /// The address itself in place of the host's name.
        const NUMERIC_HOST = libc::NI_NUMERICHOST;
        /// The number in place of the service's name.
        const NUMERIC_SERVICE = libc::NI_NUMERICSERV;
        /// An error if the host has no name. Otherwise its address is given.
        const NAME_REQUIRED = libc::NI_NAMEREQD;
        /// Without the domain, for hosts of the own one.
        const NO_DOMAIN = libc::NI_NOFQDN;
        /// The service is one of datagrams.
        const DATAGRAM = libc::NI_DGRAM;
    }
}

/// The names of a host and of a service. The operating system looks them up on a worker thread; numbers are given at once.
///
/// ```
/// use anyio::net::{NameInfoFlags, getnameinfo};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let numbers = NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE;
/// let (host, service) = getnameinfo("127.0.0.1:80".parse().unwrap(), numbers).await?;
/// assert_eq!((&*host, &*service), ("127.0.0.1", "80"));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// What the system says, with the address; [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// The look-up is given up.
pub async fn getnameinfo(address: SocketAddr, flags: NameInfoFlags) -> Result<(String, String)> {
    let ask = move || names_of(address, flags.bits());
    let numbers = NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE;
    let found = if flags.contains(numbers) {
        crate::runtime::nothing_to_do().await?;
        ask()
    } else {
        to_thread::for_names(ask).abandon_on_cancel().await?
    };
    found.map_err(|error| Error::of_operation(error, "look up", address))
}
