//! One connection on a socket that does not block.

use std::io::{ErrorKind, Read, Write};

use anyhow::ensure;
use mio::net::TcpStream;
use rustls::ClientConnection;

/// A connection, and how much of the answer is still to come.
pub(super) struct Session {
    pub(super) socket: TcpStream,
    tls: ClientConnection,
    missing: usize,
}

impl Session {
    pub(super) fn new(socket: TcpStream, tls: ClientConnection) -> Self {
        Self { socket, tls, missing: 0 }
    }

    /// Has a request go out, behind the handshake if that is still to be done.
    pub(super) fn ask(&mut self, request: &[u8], answer: usize) -> anyhow::Result<()> {
        self.tls.writer().write_all(request)?;
        self.missing = answer;
        Ok(())
    }

    /// Sends and receives what can be without waiting. True once the whole answer has come.
    pub(super) fn turn(&mut self, mut look: impl FnMut(&[u8])) -> anyhow::Result<bool> {
        let mut piece = [0; 16 * 1024];
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if is_not_now(error.kind()) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(length) => ensure!(length > 0, "the server closed the connection"),
                Err(error) if is_not_now(error.kind()) => return Ok(self.missing == 0),
                Err(error) => return Err(error.into()),
            }
            self.tls.process_new_packets()?;
            loop {
                match self.tls.reader().read(&mut piece) {
                    Ok(length) => {
                        ensure!(
                            length > 0 && length <= self.missing,
                            "the answer is longer than the request"
                        );
                        look(&piece[..length]);
                        self.missing -= length;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }
}

/// A socket that is not yet connected says so in its own way.
fn is_not_now(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
