//! Streams of ours for what reads and writes by polling.

use anyio::{
    net::TcpStream,
    streams::{Split, io::ByteIo},
};

pub(crate) fn io(stream: TcpStream) -> ByteIo<<TcpStream as Split>::Receive, <TcpStream as Split>::Send> {
    let (receive, send) = stream.split();
    ByteIo::new(receive, send)
}
