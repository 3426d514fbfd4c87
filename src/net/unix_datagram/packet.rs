//! What is received.

use crate::{
    error::Result,
    message::{ReceivedMessage, WITH_RIGHTS},
    net::{
        ReceivedDescriptors,
        datagrams::{DatagramReceiving, Interpreter},
        unix_address,
    },
};
use anyio_driver::Chunk;
use std::{os::unix::net::SocketAddr, path::PathBuf};

/// A datagram that was received over a UNIX socket.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnixPacket {
    /// Its bytes. There may be none.
    pub data: Chunk,
    /// Who sent it. A socket without a name cannot be answered.
    pub from: SocketAddr,
    /// Whether it was longer than 65,536 bytes and is cut.
    pub truncated: bool,
}

impl UnixPacket {
    /// The path of the sender's socket, if it has one. That of an abstract name begins with a zero byte.
    pub fn from_path(&self) -> Option<PathBuf> {
        unix_address::path_of_sender(&self.from)
    }

    fn new(message: ReceivedMessage) -> Self {
        let from = unix_address::sender(message.name());
        let truncated = message.is_truncated();
        Self { data: message.into_payload(), from, truncated }
    }
}

/// Leaves messages as they are, as only who receives one knows what is wanted of it.
pub(super) struct UnixInterpreter;

impl Interpreter for UnixInterpreter {
    type Datagram = ReceivedMessage;

    fn has_rest(&self) -> bool {
        false
    }

    fn rest(&self) -> ReceivedMessage {
        unreachable!("of a message nothing is left")
    }

    fn interpret(&self, message: ReceivedMessage) -> ReceivedMessage {
        message
    }

    fn forget_rest(&self) {}
}

/// Receives without descriptors.
pub(super) async fn receive(receiving: &DatagramReceiving<UnixInterpreter>) -> Result<UnixPacket> {
    receiving.receive().await.map(UnixPacket::new)
}

/// Receives with descriptors. Of what had come before anybody wanted any there are none.
pub(super) async fn receive_fds(
    receiving: &DatagramReceiving<UnixInterpreter>,
) -> Result<(UnixPacket, ReceivedDescriptors)> {
    receiving.take_rights(&WITH_RIGHTS).await?;
    let mut message = receiving.receive().await?;
    let truncated = message.is_control_truncated();
    let owned = message.take_descriptors();
    Ok((UnixPacket::new(message), ReceivedDescriptors { owned, truncated }))
}
