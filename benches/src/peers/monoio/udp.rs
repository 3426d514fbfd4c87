//! Datagrams on monoio.

use std::{future::Future, io, net::SocketAddr};

use monoio::net::udp::UdpSocket;

use super::block_on;
use crate::{
    measuring::job::Job,
    peers::datagrams::{Jobs, OneByOne, Socket},
};

pub(super) const JOBS: &[(&str, Job)] = Jobs::<OneByOne<UdpSocket>>::SINGLE;

impl Socket for UdpSocket {
    const SENDERS: usize = 32;

    fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        block_on(work)
    }

    fn adopt(socket: std::net::UdpSocket) -> io::Result<Self> {
        Self::from_std(socket)
    }

    async fn receive(&self, buffer: Vec<u8>) -> (io::Result<SocketAddr>, Vec<u8>) {
        let (received, filled) = self.recv_from(buffer).await;
        (received.map(|(_, from)| from), filled)
    }

    async fn send(&self, data: Vec<u8>, to: SocketAddr) -> (io::Result<usize>, Vec<u8>) {
        self.send_to(data, to).await
    }
}
