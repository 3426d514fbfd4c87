//! TLS.

mod authority;
mod cancellation;
mod certificates;
mod conformance;
mod failing_stream;
mod floods;
mod forger;
mod hostile_peers;
mod interoperation;
mod key_use;
mod last_words;
mod listeners;
mod negotiation;
mod polled;
mod truncation;

use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    streams::{
        Split,
        tls::{TlsOptions, TlsStream},
    },
};
use futures_util::join;

async fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

/// Does the handshake on both sides.
async fn shake_hands<S: Split>(
    (client, server): (S, S),
    client_options: &TlsOptions,
    server_options: &TlsOptions,
) -> (Result<TlsStream<S>>, Result<TlsStream<S>>) {
    join!(TlsStream::wrap(client, client_options), TlsStream::wrap(server, server_options))
}

/// Both sides of a connection that trust each other.
pub(crate) async fn wrapped<S: Split>(streams: (S, S)) -> Result<(TlsStream<S>, TlsStream<S>)> {
    let (client, server) = authority::options();
    let (client, server) = shake_hands(streams, &client, &server).await;
    Ok((client?, server?))
}

fn is_broken<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::BrokenResource(_)))
}
