//! Sockets, and which core of a server one belongs to.

use super::cores::{Cores, PassedOn};
use anyio::{
    Result,
    cross::CrossReceiver,
    net::{UdpSocket, UdpSocketOptions},
};
use std::{net::SocketAddr, sync::Arc};

fn options() -> UdpSocketOptions {
    UdpSocketOptions::new().ecn(true).coalesce(true).receive_buffer(1 << 21)
}

/// One of its own.
pub(super) async fn own(address: SocketAddr) -> Result<UdpSocket> {
    options().bind(address).await
}

/// One of several on a port.
pub(super) async fn shared(address: SocketAddr) -> Result<UdpSocket> {
    options().reuse_port(true).bind(address).await
}

/// Which of a server's endpoints one is.
pub(super) struct Place {
    pub(super) cores: Arc<Cores>,
    pub(super) index: usize,
    /// What came to other cores.
    pub(super) end: CrossReceiver<PassedOn>,
}

impl Place {
    pub(super) fn new(cores: Arc<Cores>, index: usize, end: CrossReceiver<PassedOn>) -> Self {
        Self { cores, index, end }
    }
}
