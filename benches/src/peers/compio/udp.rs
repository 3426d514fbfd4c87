//! Datagrams on compio.

use std::{future::Future, io, net::SocketAddr, pin::pin};

use anyhow::Context;
use compio::{BufResult, net::UdpSocket};
use futures_util::StreamExt;

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
        let BufResult(received, filled) = self.recv_from(buffer).await;
        (received.map(|(_, from)| from), filled)
    }

    async fn receive_all(
        &self,
        mut each: impl FnMut(&[u8], SocketAddr) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        loop {
            let mut datagrams = pin!(self.recv_from_multi());
            while let Some(datagram) = datagrams.next().await {
                match datagram {
                    Ok(datagram) => {
                        let from = datagram.addr().and_then(|address| address.as_socket());
                        if !each(datagram.data(), from.context("a datagram of nobody")?)? {
                            return Ok(());
                        }
                    }
                    // The pool was empty for a moment: it begins again.
                    Err(error) if error.to_string().contains("no available buffer") => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    async fn send(&self, data: Vec<u8>, to: SocketAddr) -> (io::Result<usize>, Vec<u8>) {
        let BufResult(sent, data) = self.send_to(data, to).await;
        (sent, data)
    }
}
