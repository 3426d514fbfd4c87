//! Connecting to the first of several addresses.

use super::TcpConnectOptions;
use crate::{
    error::{ConnectionFailed, Error, ErrorGroup, Failure, Result},
    group::task_group,
    net::{
        TcpStream,
        addresses::{Candidates, ToSocketAddrs},
        connecting::{connect, socket},
    },
    runtime::{
        Descriptor,
        calls::{self, Options},
    },
    scope::move_on_after,
};
use socket2::Domain;
use std::{cell::RefCell, io, net::SocketAddr};

impl TcpConnectOptions {
    /// Connects, as [`TcpStream::connect`] does otherwise.
    ///
    /// # Errors
    /// As for [`TcpStream::connect`]; with a local address that is none of this host, or of another family than all that
    /// are to be connected to, also that.
    ///
    /// # Cancel safety
    /// Attempts are cancelled, and what connects late is closed.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> Result<TcpStream> {
        let candidates = address.candidates();
        let target = candidates.to_string();
        let descriptor = connect_any(candidates.resolved().await?, &target, self).await?;
        Ok(TcpStream::from_descriptor(descriptor))
    }
}

/// Connects to the first of several addresses that answers: each attempt begins when the one before has failed, or after
/// some time ("happy eyeballs", RFC 8305). Attempts that lose are cancelled, and closed if they succeed late.
/// Errors name the target and the addresses.
async fn connect_any(
    candidates: Candidates,
    target: &str,
    options: &TcpConnectOptions,
) -> Result<Descriptor> {
    let addresses = options
        .suitable(candidates.interleaved())
        .map_err(|error| Error::of_operation(error, "connect", target))?;
    if let [address] = addresses[..] {
        let by_name = |address: SocketAddr| match address.to_string() {
            address if address == target => address,
            address => format!("{target} ({address})"),
        };
        return attempt(address, options)
            .await
            .map_err(|error| Error::of_operation(error, "connect", by_name(address)));
    }
    let winner = RefCell::new(None);
    let errors = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        for &address in &addresses {
            let (winner, errors) = (&winner, &errors);
            let attempted = tg.start_soon(async move {
                match attempt(address, options).await {
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
            move_on_after(options.delay(), attempted.wait()).await?;
        }
        Ok(())
    })
    .await?;
    if let Some(descriptor) = winner.into_inner() {
        return Ok(descriptor);
    }
    crate::lowlevel::checkpoint_if_cancelled().await?;
    let errors = ErrorGroup::new(errors.into_inner());
    let errors = errors.expect("each attempt has failed, and there was at least one");
    Err(Error::ConnectionFailed(Box::new(ConnectionFailed::new(target.to_owned(), errors))))
}

async fn attempt(address: SocketAddr, options: &TcpConnectOptions) -> io::Result<Descriptor> {
    let socket = socket(Domain::for_address(address))?;
    if let Some(local) = options.local_for(address) {
        // Connections from this port that linger do not stand in the way.
        Options::of(&socket).set(|socket| socket.set_reuse_address(true))?;
        calls::bind(&socket, &local.into())?;
    }
    connect(socket, address.into()).await
}
