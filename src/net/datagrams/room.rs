//! Waiting until there is room for a datagram.

use super::destination::Destination;
use crate::runtime::{Descriptor, Operation, Readiness, Refusal, UntilReady, WaitReason, calls};
use socket2::{Domain, Type};

/// Waits until a datagram that goes there may have room.
///
/// # Errors
/// If the scope is cancelled, or there is no descriptor left for what it takes.
pub(super) async fn wait(socket: &Descriptor, to: &Destination) -> Result<(), Refusal> {
    until_writable(socket.clone()).await?;
    // Without a peer a UNIX socket is told to be writable whether or not the receiver's queue is full. One with a peer knows.
    if let Some(peer) = to.of_unix_socket() {
        let probe = calls::make_socket(Domain::UNIX, Type::DGRAM, None)
            .map_err(|error| Refusal::System(error.raw_os_error().unwrap_or(libc::EIO)))?;
        // Where nobody can be connected to, sending says why.
        if calls::connect(&probe, &peer).is_ok() {
            until_writable(Descriptor::new(probe)).await?;
        }
    }
    Ok(())
}

async fn until_writable(socket: Descriptor) -> Result<(), Refusal> {
    match Operation::new(UntilReady::<_, Room>::new(socket)).await {
        Err(Refusal::Cancelled) => Err(Refusal::Cancelled),
        // What is wrong with the socket, sending says, too.
        _ => Ok(()),
    }
}

/// Of this side of a socket.
struct Room;

impl Readiness for Room {
    const REASON: WaitReason = WaitReason::Send;
    const EVENTS: i16 = libc::POLLOUT;
}
