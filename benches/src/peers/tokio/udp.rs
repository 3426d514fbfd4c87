//! Datagrams on tokio.

use std::{future::Future, io, net::SocketAddr};

use tokio::net::UdpSocket;

use super::runtime;
use crate::{
    measuring::job::Job,
    peers::datagrams::{Jobs, OneByOne, Socket},
};

pub(super) const JOBS: &[(&str, Job)] = Jobs::<OneByOne<UdpSocket>>::SINGLE;

pub(super) fn adopt(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

impl Socket for UdpSocket {
    /// One that goes on as long as the kernel takes datagrams.
    const SENDERS: usize = 1;

    fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        runtime()?.block_on(work)
    }

    fn adopt(socket: std::net::UdpSocket) -> io::Result<Self> {
        adopt(socket)
    }

    async fn receive(&self, mut buffer: Vec<u8>) -> (io::Result<SocketAddr>, Vec<u8>) {
        let received = self.recv_buf_from(&mut buffer).await;
        (received.map(|(_, from)| from), buffer)
    }

    async fn send(&self, data: Vec<u8>, to: SocketAddr) -> (io::Result<usize>, Vec<u8>) {
        (self.send_to(&data, to).await, data)
    }
}
