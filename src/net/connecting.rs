//! Connecting.

use super::addresses::Candidates;
use crate::{
    error::{ConnectionFailed, Error, ErrorGroup, Failure, Result},
    group::task_group,
    runtime::{Answer, Descriptor, Operation, Payload, WaitReason},
    scope::move_on_after,
};
use anyio_driver::Op;
use socket2::{Domain, SockAddr, Socket, Type};
use std::{cell::RefCell, io, net::SocketAddr, time::Duration};

/// How long an attempt has the field for itself before the next begins (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

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
pub(super) fn socket(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM, None)
}

/// Connects a new socket.
pub(super) async fn connect(socket: Socket, address: SockAddr) -> Result<Descriptor, io::Error> {
    let descriptor = Descriptor::new(socket.into());
    let connect = Connect { descriptor: descriptor.clone(), address: Box::new(address) };
    Operation::new(connect).await.map_err(|refusal| refusal.into_io())?;
    Ok(descriptor)
}

/// Connects to the first of several addresses that answers: each attempt begins when the one before has failed, or after
/// a quarter of a second ("happy eyeballs", RFC 8305). Attempts that lose are cancelled, and closed if they succeed late.
/// Errors name the target and the addresses.
pub(super) async fn connect_any(candidates: Candidates, target: &str) -> Result<Descriptor> {
    let addresses = candidates.interleaved();
    if let [address] = addresses[..] {
        let by_name = |address: SocketAddr| match address.to_string() {
            address if address == target => address,
            address => format!("{target} ({address})"),
        };
        return attempt(address)
            .await
            .map_err(|error| Error::of_operation(error, "connect", by_name(address)));
    }
    let winner = RefCell::new(None);
    let errors = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        for &address in &addresses {
            let (winner, errors) = (&winner, &errors);
            let attempted = tg.start_soon(async move {
                match attempt(address).await {
                    Ok(descriptor) => {
                        winner.borrow_mut().get_or_insert(descriptor);
                        tg.cancel();
                    }
                    Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => return Err(error.into()),
                    Err(error) => {
                        let failure = Failure::new("connect", Some(address.to_string()), error);
                        errors.borrow_mut().push(failure.into_io());
                    }
                }
                Ok(())
            });
            move_on_after(ATTEMPT_DELAY, attempted.wait()).await?;
        }
        Ok(())
    })
    .await?;
    if let Some(descriptor) = winner.into_inner() {
        return Ok(descriptor);
    }
    crate::lowlevel::checkpoint_if_cancelled().await?;
    let errors = ErrorGroup::new(errors.into_inner());
    Err(errors.map_or_else(
        || Error::Io(io::Error::new(io::ErrorKind::InvalidInput, "there is no address to connect to")),
        |errors| Error::ConnectionFailed(Box::new(ConnectionFailed::new(target.to_owned(), errors))),
    ))
}

async fn attempt(address: SocketAddr) -> io::Result<Descriptor> {
    connect(socket(Domain::for_address(address))?, address.into()).await
}
