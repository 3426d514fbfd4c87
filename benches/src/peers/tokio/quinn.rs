//! Datagrams on tokio by way of `quinn-udp`: several for each call of the system, in both directions where it can.

use std::{
    io::{ErrorKind, IoSliceMut, Result},
    net::SocketAddr,
};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

use super::{runtime, udp::adopt};
use crate::{
    measuring::{
        amounts::{STREAM_BYTES, TOGETHER},
        datagrams::{self, Progress},
        job::Order,
        stopwatch::Measured,
    },
    peers::{
        Peer,
        datagrams::{Datagrams, Jobs, Offloading},
    },
};

pub(crate) static PEER: Peer = Peer {
    name: "quinn-udp",
    about: "quinn-udp on tokio, current_thread",
    packages: &["quinn-udp", "tokio", "mio"],
    by_hand: false,
    servers: &[],
    jobs: &[("udp", Jobs::<Quinn>::ALL)],
};

/// A socket with what quinn-udp keeps for it. It has datagrams put together wherever the kernel does that.
struct Quinn {
    state: UdpSocketState,
    socket: UdpSocket,
}

/// Room for what one call receives.
struct Room {
    buffers: Vec<Vec<u8>>,
    found: [RecvMeta; BATCH_SIZE],
}

impl Room {
    fn new() -> Self {
        Self { buffers: vec![vec![0; 1 << 16]; BATCH_SIZE], found: [RecvMeta::default(); BATCH_SIZE] }
    }
}

impl Quinn {
    fn new(socket: std::net::UdpSocket) -> Result<Self> {
        Ok(Self { state: UdpSocketState::new((&socket).into())?, socket: adopt(socket)? })
    }

    /// Receives at least one message.
    async fn receive(&self, room: &mut Room) -> Result<usize> {
        loop {
            self.socket.readable().await?;
            let mut buffers = room.buffers.iter_mut();
            let mut pieces: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(buffers.next().expect("there are so many")));
            let receive = || self.state.recv((&self.socket).into(), &mut pieces, &mut room.found);
            match self.socket.try_io(Interest::READABLE, receive) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    async fn send(&self, transmit: &Transmit<'_>) -> Result<()> {
        loop {
            self.socket.writable().await?;
            let send = || self.state.try_send((&self.socket).into(), transmit);
            match self.socket.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    async fn receive_all(&self, from: SocketAddr, progress: &mut Progress) -> anyhow::Result<()> {
        let mut room = Room::new();
        loop {
            let count = self.receive(&mut room).await?;
            let mut datagrams = 0;
            for meta in &room.found[..count] {
                // What came before putting together was turned off may be together all the same, and nobody says so.
                anyhow::ensure!(meta.len > 0 && meta.len % STREAM_BYTES == 0, "of another size");
                anyhow::ensure!(meta.addr == from, "of another sender");
                datagrams += meta.len / STREAM_BYTES;
            }
            if !progress.add(datagrams as u64) {
                return Ok(());
            }
        }
    }
}

impl Datagrams for Quinn {
    fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        datagrams::echo(order, peers, size, |socket, progress| {
            runtime()?.block_on(async {
                let (socket, mut room) = (Self::new(socket)?, Room::new());
                loop {
                    let count = socket.receive(&mut room).await?;
                    for (meta, buffer) in room.found[..count].iter().zip(&room.buffers) {
                        let segment_size = (meta.len > meta.stride).then_some(meta.stride);
                        let contents = &buffer[..meta.len];
                        let to = meta.addr;
                        let transmit =
                            Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
                        socket.send(&transmit).await?;
                    }
                    if !progress.add(count as u64) {
                        return Ok(());
                    }
                }
            })
        })
    }

    fn receive(order: &Order) -> anyhow::Result<Measured> {
        datagrams::receive(order, |socket, from, progress| {
            runtime()?.block_on(async {
                let socket = Self::new(socket)?;
                datagrams::set_coalescing(&socket.socket, false)?;
                socket.receive_all(from, progress).await
            })
        })
    }

    fn send(order: &Order) -> anyhow::Result<Measured> {
        send(order, 1)
    }
}

impl Offloading for Quinn {
    fn receive_offload(order: &Order) -> anyhow::Result<Measured> {
        datagrams::receive(order, |socket, from, progress| {
            runtime()?.block_on(async { Self::new(socket)?.receive_all(from, progress).await })
        })
    }

    fn send_offload(order: &Order) -> anyhow::Result<Measured> {
        send(order, TOGETHER)
    }
}

fn send(order: &Order, together: usize) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, destination, progress| {
        runtime()?.block_on(async {
            let socket = Quinn::new(socket)?;
            let contents = &*vec![7; STREAM_BYTES * together];
            let segment_size = (together > 1).then_some(STREAM_BYTES);
            let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
            loop {
                socket.send(&transmit).await?;
                if !progress.add(together as u64) {
                    return Ok(());
                }
            }
        })
    })
}
