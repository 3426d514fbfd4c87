//! Much in one direction by anyio.

use std::io;

use anyio::net::TcpStream;

use crate::peers::connection::{Connection, serve_bulk};

pub(super) async fn bulk(stream: TcpStream) -> anyio::Result<()> {
    Ok(serve_bulk(stream).await?)
}

impl Connection for TcpStream {
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let (received, buffer) = self.receive_into(buffer).await;
        Ok((buffer, received?))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let (sent, buffer) = self.send_buf(buffer).await;
        sent?;
        Ok(buffer)
    }
}
