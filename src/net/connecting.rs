//! Connecting.

use crate::runtime::{Answer, Descriptor, Operation, Payload, WaitReason, calls};
use anyio_driver::Op;
use socket2::{Domain, SockAddr, Type};
use std::{io, os::fd::OwnedFd};

struct Connect {
    descriptor: Descriptor,
    address: Box<SockAddr>,
}

// SAFETY: the descriptor is counted, and the address is boxed.
unsafe impl Payload for Connect {
    const REASON: WaitReason = WaitReason::Connect;

    type Output = Answer;
    // A socket whose connect was cancelled is of no further use.
    const REPEATABLE: bool = false;

    fn op(&mut self) -> Op {
        Op::Connect {
            fd: self.descriptor.raw(),
            address: self.address.as_ptr().cast(),
            length: self.address.len(),
        }
    }

    fn finish(self, answer: Answer) -> Answer {
        answer
    }
}

/// Makes a socket of this domain, closed on exec.
pub(super) fn socket(domain: Domain) -> io::Result<OwnedFd> {
    calls::make_socket(domain, Type::STREAM, None)
}

/// Connects a new socket.
pub(super) async fn connect(socket: OwnedFd, address: SockAddr) -> Result<Descriptor, io::Error> {
    let descriptor = Descriptor::new(socket);
    let connect = Connect { descriptor: descriptor.clone(), address: Box::new(address) };
    Operation::new(connect).await.map_err(|refusal| refusal.into_io())?;
    Ok(descriptor)
}
