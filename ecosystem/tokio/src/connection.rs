//! What the connections to databases have in common.

use anyio::{
    CancelScope, Result, current_time,
    net::{TcpStream, UnixStream},
    sleep_forever,
    streams::{BoxedByteReceiveStream, BoxedByteSendStream, BoxedByteStream, Split, io::ByteIo},
};
use std::{
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    time::Duration,
};

/// A stream of anyio's, TCP or UNIX, as tokio's crates read from it and write to it.
pub type Stream = ByteIo<BoxedByteReceiveStream, BoxedByteSendStream>;

/// How long what was begun may take to end in a cancelled scope.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Connects to a host of this name, or to this address.
pub(crate) async fn connect_tcp(host: &str, port: u16) -> Result<Stream> {
    Ok(adapt(BoxedByteStream::new(TcpStream::connect((host, port)).await?)))
}

/// Connects to a socket in the file system.
pub(crate) async fn connect_unix(path: &Path) -> Result<Stream> {
    Ok(adapt(BoxedByteStream::new(UnixStream::connect(path).await?)))
}

fn adapt(stream: BoxedByteStream) -> Stream {
    let (receive, send) = stream.split();
    ByteIo::new(receive, send)
}

/// Drives a connection until it ends, which it does when all its handles are dropped. In a cancelled scope it has some time
/// for that, as whoever has a handle may have something to end.
pub(crate) async fn drive(connection: impl Future<Output = ()>) {
    let scope = CancelScope::new().shielded();
    let mut ended = pin!(scope.run(async || {
        connection.await;
        anyio::Ok(())
    }));
    let mut cancelled = pin!(sleep_forever());
    let mut is_cancelled = false;
    poll_fn(|cx| {
        if !is_cancelled && cancelled.as_mut().poll(cx).is_ready() {
            is_cancelled = true;
            scope.set_deadline(Some(current_time() + GRACE));
        }
        ended.as_mut().poll(cx).map(drop)
    })
    .await;
}
