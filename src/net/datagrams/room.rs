//! Waiting until there is room for a datagram.
//!
//! # Contract
//! A payload here owns its share of the descriptor, and has no memory in the driver's hands.

use crate::{
    error::Error,
    runtime::{Answer, Descriptor, Operation, Payload, Refusal, WaitReason},
};
use anyio_driver::Op;
use socket2::{Domain, SockAddr, Socket, Type};

/// Waits until a datagram to this address, or to the peer if there is none, may have room.
///
/// # Errors
/// If the scope is cancelled.
pub(super) async fn wait(socket: &Descriptor, to: Option<&SockAddr>) -> Result<(), Refusal> {
    until_writable(socket.clone()).await?;
    // Without a peer a UNIX socket is told to be writable whether or not the receiver's queue is full. One with a peer knows.
    if let Some(peer) = to.filter(|address| address.domain() == Domain::UNIX) {
        // Where there is nobody to connect to, sending says so.
        if let Ok(connected) = connected(peer) {
            until_writable(connected).await?;
        }
    }
    Ok(())
}

fn connected(peer: &SockAddr) -> Result<Descriptor, Error> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.connect(peer)?;
    Ok(Descriptor::new(socket.into()))
}

async fn until_writable(socket: Descriptor) -> Result<(), Refusal> {
    match Operation::new(Writable(socket)).await {
        Err(Refusal::Cancelled) => Err(Refusal::Cancelled),
        // What is wrong with the socket, sending says, too.
        _ => Ok(()),
    }
}

struct Writable(Descriptor);

// SAFETY: the descriptor is counted, and there is no memory.
unsafe impl Payload for Writable {
    const REASON: WaitReason = WaitReason::Send;

    type Output = Answer;

    fn op(&mut self) -> Op {
        Op::Poll { fd: self.0.raw(), events: libc::POLLOUT as u32 }
    }

    fn finish(self, answer: Answer) -> Answer {
        answer
    }
}
