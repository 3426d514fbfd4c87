//! Datagrams on tokio, by `quinn-udp` where the kernel takes and hands over several.

use std::io::IoSliceMut;

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

use super::runtime;
use crate::measuring::{
    amounts::{STREAM_BYTES, TOGETHER},
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
    ("receive-offload", receive_offload),
    ("send", send),
    ("send-offload", send_offload),
];

fn adopt(socket: std::net::UdpSocket) -> std::io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
    datagrams::echo(order, peers, size, |socket, progress| {
        runtime()?.block_on(async {
            let socket = adopt(socket)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await?;
                socket.send_to(&buffer[..length], from).await?;
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })
    })
}

fn receive(order: &Order) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, progress| {
        runtime()?.block_on(async {
            let socket = adopt(socket)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let (length, _) = socket.recv_from(&mut buffer).await?;
                anyhow::ensure!(length == STREAM_BYTES, "of another size");
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })
    })
}

fn receive_offload(order: &Order) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, progress| {
        runtime()?.block_on(async {
            let state = UdpSocketState::new((&socket).into())?;
            let socket = adopt(socket)?;
            let mut buffers = vec![vec![0; 1 << 16]; quinn_udp::BATCH_SIZE];
            let mut found = [RecvMeta::default(); quinn_udp::BATCH_SIZE];
            loop {
                socket.readable().await?;
                let mut pieces: Vec<_> = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
                let received = socket
                    .try_io(Interest::READABLE, || state.recv((&socket).into(), &mut pieces, &mut found));
                let count = match received {
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error.into()),
                };
                let datagrams: usize = found[..count].iter().map(|meta| meta.len.div_ceil(meta.stride)).sum();
                if !progress.add(datagrams as u64) {
                    return Ok(());
                }
            }
        })
    })
}

fn send(order: &Order) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        runtime()?.block_on(async {
            let socket = adopt(socket)?;
            let data = vec![7; STREAM_BYTES];
            loop {
                socket.send_to(&data, to).await?;
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })
    })
}

fn send_offload(order: &Order) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        runtime()?.block_on(async {
            let state = UdpSocketState::new((&socket).into())?;
            let socket = adopt(socket)?;
            let data = vec![7; STREAM_BYTES * TOGETHER];
            loop {
                socket.writable().await?;
                let transmit = Transmit {
                    destination: to,
                    ecn: None,
                    contents: &data,
                    segment_size: Some(STREAM_BYTES),
                    src_ip: None,
                };
                match socket.try_io(Interest::WRITABLE, || state.try_send((&socket).into(), &transmit)) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error.into()),
                }
                if !progress.add(TOGETHER as u64) {
                    return Ok(());
                }
            }
        })
    })
}
