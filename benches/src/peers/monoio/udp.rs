//! Datagrams on monoio.

use monoio::net::udp::UdpSocket;

use super::block_on;
use crate::measuring::{
    amounts::STREAM_BYTES,
    datagrams,
    job::{Job, Order},
    stopwatch::Measured,
};

pub(super) const JOBS: &[(&str, Job)] = &[
    ("echo-1x64", |order| echo(order, 1, 64)),
    ("echo-50x64", |order| echo(order, 50, 64)),
    ("echo-500x64", |order| echo(order, 500, 64)),
    ("echo-1x1200", |order| echo(order, 1, 1_200)),
    ("echo-50x1200", |order| echo(order, 50, 1_200)),
    ("echo-500x1200", |order| echo(order, 500, 1_200)),
    ("receive", receive),
    ("send", send),
];

fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
    datagrams::echo(order, peers, size, |socket, progress| {
        block_on(async {
            let socket = UdpSocket::from_std(socket)?;
            let mut buffer = Vec::with_capacity(1 << 16);
            loop {
                let (received, filled) = socket.recv_from(buffer).await;
                let (_, from) = received?;
                let (sent, back) = socket.send_to(filled, from).await;
                sent?;
                buffer = back;
                buffer.clear();
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })
    })
}

fn receive(order: &Order) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, progress| {
        block_on(async {
            let socket = UdpSocket::from_std(socket)?;
            let mut buffer = Vec::with_capacity(1 << 16);
            loop {
                let (received, filled) = socket.recv_from(buffer).await;
                anyhow::ensure!(received?.0 == STREAM_BYTES, "of another size");
                buffer = filled;
                buffer.clear();
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })
    })
}

fn send(order: &Order) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        block_on(async {
            let socket = UdpSocket::from_std(socket)?;
            let mut data = vec![7; STREAM_BYTES];
            loop {
                let (sent, back) = socket.send_to(data, to).await;
                sent?;
                data = back;
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })
    })
}
