//! Datagrams on anyio.

use std::{cell::RefCell, marker::PhantomData};

use anyio::{
    Backend, Result,
    net::{SendOptions, UdpSocket},
    task_group,
};

use super::builder;
use crate::{
    measuring::{
        amounts::{STREAM_BYTES, TOGETHER},
        datagrams,
        job::{Job, Order},
        stopwatch::Measured,
    },
    peers::datagrams::{Datagrams, Jobs, Offloading, Together},
};

pub(super) const URING: &[(&str, Job)] = Jobs::<Anyio<Uring>>::EVERY;
pub(super) const POLL: &[(&str, Job)] = Jobs::<Anyio<Poll>>::EVERY;

struct Anyio<B>(PhantomData<B>);

/// A back end by its type.
trait On {
    const BACKEND: Backend;
}

struct Uring;

impl On for Uring {
    const BACKEND: Backend = Backend::Uring;
}

struct Poll;

impl On for Poll {
    const BACKEND: Backend = Backend::Poll;
}

/// How many tasks send at the same time where each datagram is one send.
const SENDERS: u64 = 32;

/// How many datagrams are answered together at most.
const MOST: usize = 64;

impl<B: On> Datagrams for Anyio<B> {
    fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        datagrams::echo(order, peers, size, |socket, progress| {
            builder(B::BACKEND).run(async || -> anyhow::Result<()> {
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

    fn receive(order: &Order) -> anyhow::Result<Measured> {
        receive_all(B::BACKEND, order)
    }

    fn send(order: &Order) -> anyhow::Result<Measured> {
        datagrams::send(order, |socket, to, progress| {
            builder(B::BACKEND).run(async || -> anyhow::Result<()> {
                let socket = UdpSocket::from_owned(socket.into())?;
                let progress = RefCell::new(progress);
                task_group(async |tg| -> Result<()> {
                    for _ in 0..SENDERS {
                        let (socket, progress) = (&socket, &progress);
                        tg.start_soon(async move {
                            let mut data = vec![7; STREAM_BYTES];
                            loop {
                                let sent;
                                (sent, data) = socket.send_buf_to(data, to).await;
                                sent?;
                                if !progress.borrow_mut().add(1) {
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
}

impl<B: On> Together for Anyio<B> {
    fn echo_together(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        datagrams::echo(order, peers, size, |socket, progress| {
            builder(B::BACKEND).run(async || -> anyhow::Result<()> {
                let socket = UdpSocket::from_owned(socket.into())?;
                let (mut questions, mut answers) = (Vec::new(), Vec::new());
                loop {
                    let count = socket.receive_many(&mut questions, MOST).await?;
                    answers.extend(questions.drain(..).map(|question| (question.data, question.from)));
                    socket.send_many(&mut answers).await?;
                    if !progress.add(count as u64) {
                        return Ok(());
                    }
                }
            })?
        })
    }
}

impl<B: On> Offloading for Anyio<B> {
    fn receive_offload(order: &Order) -> anyhow::Result<Measured> {
        receive_together(B::BACKEND, order)
    }

    fn send_offload(order: &Order) -> anyhow::Result<Measured> {
        datagrams::send(order, |socket, to, progress| {
            builder(B::BACKEND).run(async || -> anyhow::Result<()> {
                let socket = UdpSocket::from_owned(socket.into())?;
                let options = SendOptions::new().segment_size(STREAM_BYTES);
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
}

fn receive_all(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, from, progress| {
        datagrams::set_coalescing(&socket, false)?;
        builder(backend).run(async || -> anyhow::Result<()> {
            let socket = UdpSocket::from_owned(socket.into())?;
            loop {
                let datagram = socket.receive().await?;
                anyhow::ensure!(datagram.data.len() == STREAM_BYTES, "of another size");
                anyhow::ensure!(datagram.from == from, "of another sender");
                if !progress.add(1) {
                    return Ok(());
                }
            }
        })?
    })
}

fn receive_together(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, from, progress| {
        datagrams::set_coalescing(&socket, true)?;
        builder(backend).run(async || -> anyhow::Result<()> {
            let socket = UdpSocket::from_owned(socket.into())?;
            loop {
                let segments = socket.receive_segments().await?;
                anyhow::ensure!(segments.segment_size == STREAM_BYTES, "of another size");
                anyhow::ensure!(segments.from == from, "of another sender");
                if !progress.add(segments.iter().len() as u64) {
                    return Ok(());
                }
            }
        })?
    })
}
