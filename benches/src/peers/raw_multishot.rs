//! A ring loop by hand: multishot receives from one ring of buffers.
//!
//! Contract of the unsafe code: a socket is closed, or its close submitted, only when its receive has ended and none of its sends is in
//! flight. A buffer that a completion named belongs to its connection until it was sent or thrown away, and only
//! then goes back to the kernel. The buffers' memory is leaked (see `buffer_ring`), so no completion is too late.

pub(super) mod buffer_ring;
mod datagrams;
mod socket;

use std::{
    collections::VecDeque,
    mem::ManuallyDrop,
    net::{Ipv4Addr, TcpListener},
    os::fd::AsRawFd,
};

use anyhow::Context;
use io_uring::{cqueue, opcode, squeue::Entry, types::Fd};
use socket2::SockRef;

pub(super) use self::socket::Table;
use self::{
    buffer_ring::{BufferRing, Filled},
    socket::{Socket, UNWATCHED},
};
use super::Peer;
use crate::measuring::{
    ready::Ready,
    submissions::{Submissions, ring},
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-multishot",
    about: "io_uring by hand, multishot receives from a ring of buffers",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[("echo", |ready| echo(ready, Table::Process))],
    jobs: &[("udp", datagrams::JOBS)],
};

const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 16 * 1024;
const ACCEPT: u64 = u64::MAX;
/// How many sockets the ring's own table has room for.
const DIRECT_DESCRIPTORS: u32 = 16_384;
/// Marks a send in the user data; the rest is the connection's place.
const SEND: u64 = 1 << 32;

struct Connection {
    socket: Socket,
    /// What came and was not sent yet; the first of them is being sent.
    chunks: VecDeque<Filled>,
    receiving: bool,
    ended: bool,
}

impl Connection {
    fn receive(&mut self) -> Entry {
        self.receiving = true;
        self.socket.receive().user_data(self.socket.place())
    }

    fn send(&self, chunk: Filled, buffers: &BufferRing) -> Entry {
        let send = self.socket.send(buffers.address(chunk.buffer), chunk.length);
        send.user_data(self.socket.place() | SEND)
    }
}

pub(super) fn echo(ready: Ready, table: Table) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    SockRef::from(&listener).set_tcp_nodelay(true)?;
    ready.listening_on(listener.local_addr()?)?;
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut buffers = BufferRing::register(&submitter, BUFFERS, BUFFER_BYTES)?;
    if table == Table::Ring {
        submitter.register_files_sparse(DIRECT_DESCRIPTORS)?;
    }
    let mut submissions = Submissions::new(submitter, queue);
    // The connections' places are their sockets' numbers.
    let mut connections: ManuallyDrop<Vec<Option<Connection>>> = ManuallyDrop::new(Vec::new());
    // Connections whose receive ended because no buffer was left.
    let mut starved: Vec<usize> = Vec::new();

    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()));
    let accept = accept.allocate_file_index(table == Table::Ring).build().user_data(ACCEPT);
    // SAFETY: an accept without an address names no memory; the listener lives as long as the loop.
    unsafe { submissions.push(&accept)? };
    loop {
        submissions.turn()?;
        completions.sync();
        for completion in &mut completions {
            let (data, result, flags) = (completion.user_data(), completion.result(), completion.flags());
            if data == UNWATCHED {
                continue;
            }
            if data == ACCEPT {
                let socket = Socket::accepted(result, table)?;
                let place = socket.place() as usize;
                let connection =
                    Connection { socket, chunks: VecDeque::new(), receiving: false, ended: false };
                if connections.len() <= place {
                    connections.resize_with(place + 1, || None);
                }
                let receive = connections[place].insert(connection).receive();
                // SAFETY: the buffers are leaked; the socket stays open until the receive ended.
                unsafe { submissions.push(&receive)? };
                if !cqueue::more(flags) {
                    // SAFETY: as for the first accept.
                    unsafe { submissions.push(&accept)? };
                }
                continue;
            }
            let place = (data & !SEND) as usize;
            let connection = connections[place].as_mut().context("a completion for a closed connection")?;
            let next = if data & SEND != 0 {
                let sent = connection.chunks.pop_front().context("a send without a chunk")?;
                buffers.give_back(sent.buffer);
                if result != sent.length as i32 {
                    connection.ended = true;
                    // Ends the receive too; fails only if the other end did that already.
                    // SAFETY: the entry names no memory, and the socket is closed by a later one.
                    unsafe { submissions.push(&connection.socket.shutdown())? };
                    while let Some(unsent) = connection.chunks.pop_front() {
                        buffers.give_back(unsent.buffer);
                    }
                }
                connection.chunks.front().copied()
            } else {
                connection.receiving = cqueue::more(flags);
                let chunk =
                    cqueue::buffer_select(flags).map(|buffer| buffers.take(buffer, result.max(0) as u32));
                match chunk {
                    Some(chunk) if result <= 0 || connection.ended => buffers.give_back(chunk.buffer),
                    Some(chunk) => connection.chunks.push_back(chunk),
                    None => {}
                }
                if result == -libc::ENOBUFS {
                    starved.push(place);
                } else if result <= 0 {
                    connection.ended = true;
                } else if !connection.receiving && !connection.ended {
                    let receive = connection.receive();
                    // SAFETY: as for the first receive.
                    unsafe { submissions.push(&receive)? };
                }
                chunk.filter(|_| connection.chunks.len() == 1 && result > 0)
            };
            if let Some(chunk) = next {
                let send = connection.send(chunk, &buffers);
                // SAFETY: the chunk's buffer is kept from the kernel until the send's completion.
                unsafe { submissions.push(&send)? };
            }
            if connection.ended && !connection.receiving && connection.chunks.is_empty() {
                let close = connections[place].take().and_then(|connection| connection.socket.close());
                if let Some(close) = close {
                    // SAFETY: the entry names no memory.
                    unsafe { submissions.push(&close)? };
                }
            }
        }
        buffers.publish();
        if buffers.is_empty() {
            continue;
        }
        for place in starved.drain(..) {
            if let Some(connection) = connections[place].as_mut().filter(|it| !it.ended && !it.receiving) {
                let receive = connection.receive();
                // SAFETY: as for the first receive.
                unsafe { submissions.push(&receive)? };
            }
        }
    }
}
