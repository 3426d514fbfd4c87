//! Sockets that were made elsewhere.

use super::listening::may_listen;
use crate::{
    error::{Error, Result},
    runtime::{Core, Descriptor},
};
use socket2::{Domain, SockRef, Type};
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
    let refuse = |what: &str| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        Err(Error::of_operation(error, "take over", "a descriptor"))
    };
    if Core::try_with(|_| ()).is_none() {
        return refuse("there is no run on this thread");
    }
    let failed = |error| Error::of_operation(error, "take over", "a descriptor");
    let socket = SockRef::from(&descriptor);
    let name = socket.local_addr().map_err(failed)?;
    if socket.r#type().map_err(failed)? != kind || !domains.contains(&name.domain()) {
        return refuse("the socket is of another kind or family");
    }
    match role {
        Role::Connected if socket.peer_addr().is_err() => refuse("the socket is not connected"),
        Role::Listening if !may_listen(&descriptor) => refuse("the socket does not listen"),
        Role::Unconnected if socket.peer_addr().is_ok() => refuse("the socket is connected"),
        Role::Connected | Role::Listening | Role::Unconnected => {
            socket.set_nonblocking(false).map_err(failed)?;
            Ok(Descriptor::adopt(descriptor))
        }
    }
}
