//! Datagrams on anyio.

use std::cell::Cell;

use anyio::{Backend, Result, net::UdpSocket, task_group};

use super::builder;
use crate::measuring::{
    amounts::{STREAM_BYTES, TOGETHER},
    datagrams::{self, Progress},
    job::{Job, Order},
    stopwatch::Measured,
};

pub(super) const URING: &[(&str, Job)] = &[
    ("echo-1x64", |order| echo(Backend::Uring, order, 1, 64)),
    ("echo-50x64", |order| echo(Backend::Uring, order, 50, 64)),
    ("echo-500x64", |order| echo(Backend::Uring, order, 500, 64)),
    ("echo-1x1200", |order| echo(Backend::Uring, order, 1, 1_200)),
    ("echo-50x1200", |order| echo(Backend::Uring, order, 50, 1_200)),
    ("echo-500x1200", |order| echo(Backend::Uring, order, 500, 1_200)),
    ("receive", |order| receive(Backend::Uring, order)),
    ("receive-offload", |order| receive_offload(Backend::Uring, order)),
    ("send", |order| send(Backend::Uring, order)),
    ("send-offload", |order| send_offload(Backend::Uring, order)),
];

pub(super) const POLL: &[(&str, Job)] = &[
    ("echo-1x64", |order| echo(Backend::Poll, order, 1, 64)),
    ("echo-50x64", |order| echo(Backend::Poll, order, 50, 64)),
    ("echo-500x64", |order| echo(Backend::Poll, order, 500, 64)),
    ("echo-1x1200", |order| echo(Backend::Poll, order, 1, 1_200)),
    ("echo-50x1200", |order| echo(Backend::Poll, order, 50, 1_200)),
    ("echo-500x1200", |order| echo(Backend::Poll, order, 500, 1_200)),
    ("receive", |order| receive(Backend::Poll, order)),
    ("receive-offload", |order| receive_offload(Backend::Poll, order)),
    ("send", |order| send(Backend::Poll, order)),
    ("send-offload", |order| send_offload(Backend::Poll, order)),
];

/// How many tasks send at the same time where each datagram is one send.
const SENDERS: u64 = 32;

fn echo(backend: Backend, order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
    datagrams::echo(order, peers, size, |socket, progress| {
        builder(backend).run(async || -> anyhow::Result<()> {
            let socket = UdpSocket::from_owned(socket.into())?;
            loop {
                let datagram = socket.receive().await?;
                socket.send_to(datagram.data, datagram.from).await?;
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })?
    })
}

fn receive_all(
    backend: Backend,
    order: &Order,
    prepare: fn(&std::net::UdpSocket) -> std::io::Result<()>,
) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, progress| {
        prepare(&socket)?;
        builder(backend).run(async || -> anyhow::Result<()> {
            let socket = UdpSocket::from_owned(socket.into())?;
            loop {
                let datagram = socket.receive().await?;
                anyhow::ensure!(datagram.data.len() == STREAM_BYTES, "of another size");
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })?
    })
}

fn receive(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    receive_all(backend, order, |_| Ok(()))
}

fn receive_offload(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    receive_all(backend, order, datagrams::coalesce)
}

fn send(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        builder(backend).run(async || -> anyhow::Result<()> {
            let socket = UdpSocket::from_owned(socket.into())?;
            let progress = Cell::new(Some(progress));
            let add = |count| {
                let progress: &mut Progress = progress.take().expect("it is put back at once");
                let goes_on = progress.add(count);
                (goes_on, progress)
            };
            let add = |count| {
                let (goes_on, taken) = add(count);
                progress.set(Some(taken));
                goes_on
            };
            task_group(async |tg| -> Result<()> {
                for _ in 0..SENDERS {
                    let (socket, add) = (&socket, &add);
                    tg.start_soon(async move {
                        let mut data = vec![7; STREAM_BYTES];
                        loop {
                            let sent;
                            (sent, data) = socket.send_buf_to(data, to).await;
                            sent?;
                            if !add(1) {
                                return Ok(());
                            }
                        }
                    });
                }
                Ok(())
            })
            .await?;
            Ok(())
        })?
    })
}

fn send_offload(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        builder(backend).run(async || -> anyhow::Result<()> {
            let socket = UdpSocket::from_owned(socket.into())?;
            let options = anyio::net::SendOptions::new().segment_size(STREAM_BYTES);
            let mut data = vec![7; STREAM_BYTES * TOGETHER];
            loop {
                let sent;
                (sent, data) = socket.send_buf_with(data, to, options).await;
                sent?;
                if !progress.add(TOGETHER as u64) {
                    return Ok(());
                }
            }
        })?
    })
}
