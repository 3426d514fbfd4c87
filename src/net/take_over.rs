//! Sockets that were made elsewhere.

use super::listening::may_listen;
use crate::{
    error::{Error, Result},
    runtime::{
        Core, Descriptor,
        calls::{self, Options},
    },
};
use socket2::{Domain, Type};
use std::{io, os::fd::OwnedFd};

/// What a socket must be to be taken over.
pub(super) enum Role {
    Connected,
    Listening,
    Unconnected,
}

/// Takes over a descriptor if it is a socket of this kind, of one of these families and in this role, in a run. Sockets in
/// non-blocking mode are taken out of it, since that would make the kernel answer instead of waiting.
pub(super) fn take_over(
    descriptor: OwnedFd,
    kind: Type,
    domains: &[Domain],
    role: Role,
) -> Result<Descriptor> {
    if Core::try_with(|_| ()).is_none() {
        return Err(refused("there is no run on this thread"));
    }
    examine(&descriptor, kind, domains, role)?;
    calls::set_blocking(&descriptor, true).map_err(failed)?;
    Ok(Descriptor::adopt(descriptor))
}

/// Whether a descriptor is a socket of this kind, of one of these families and in this role.
///
/// # Errors
/// If it is not, and what the system says.
pub(super) fn examine(descriptor: &OwnedFd, kind: Type, domains: &[Domain], role: Role) -> Result<()> {
    let name = calls::local_address(descriptor).map_err(failed)?;
    if Options::of(descriptor).get(|socket| socket.r#type()).map_err(failed)? != kind
        || !domains.contains(&name.domain())
    {
        return Err(refused("the socket is of another kind or family"));
    }
    match role {
        Role::Connected if !is_connected(descriptor)? => Err(refused("the socket is not connected")),
        Role::Listening if !may_listen(descriptor) => Err(refused("the socket does not listen")),
        Role::Unconnected if is_connected(descriptor)? => Err(refused("the socket is connected")),
        Role::Connected | Role::Listening | Role::Unconnected => Ok(()),
    }
}

fn is_connected(descriptor: &OwnedFd) -> Result<bool> {
    match calls::peer_address(descriptor) {
        Ok(_) => Ok(true),
        // The latter where a system says so of one that is shut down.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTCONN | libc::EINVAL)) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: io::Error) -> Error {
    Error::of_operation(error, "take over", "a descriptor")
}

fn refused(why: &'static str) -> Error {
    failed(io::Error::new(io::ErrorKind::InvalidInput, why))
}
