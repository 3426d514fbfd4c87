//! A ring loop by hand: one-shot receives into its own buffers.
//!
//! A buffer is taken when a receive is submitted and given back when what it brought was sent; the last one
//! given back is taken first.
//!
//! Contract of the unsafe code: each connection has one operation in the kernel at a time, a receive or a send,
//! and the memory it uses belongs to the connection, which leaves it alone until that operation's only completion:
//! its buffer, or an answer that it keeps. A connection is closed, and its memory freed or reused, only when none of
//! its operations is in flight. Should the loop end with an error, its connections are leaked, as the kernel may
//! still use them.

mod cancel;
pub(super) mod stream;

use std::{
    io,
    mem::ManuallyDrop,
    net::{Ipv4Addr, TcpListener},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use anyhow::bail;
use io_uring::{opcode, squeue::Entry, types::Fd};
use socket2::SockRef;

use super::{
    Peer,
    answering::{Answering, Echo, Http},
};
use crate::measuring::{
    ready::Ready,
    submissions::{Submissions, ring},
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-oneshot",
    about: "io_uring by hand, one-shot receives into own buffers",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[
        ("echo", serve::<Echo>),
        ("http", serve::<Http>),
        ("stream", |ready| stream::bulk(ready, stream::copying)),
    ],
    jobs: &[("cancel", cancel::JOBS)],
};

const BUFFER_BYTES: usize = 16 * 1024;
const ACCEPT: u64 = u64::MAX;

/// What a connection's operation in the kernel is.
#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Receive,
    Send(u32),
}

struct Connection<A> {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    protocol: A,
    doing: Doing,
}

impl<A: Answering> Connection<A> {
    fn receive(&mut self, index: u64) -> Entry {
        self.doing = Doing::Receive;
        opcode::Recv::new(Fd(self.socket.as_raw_fd()), self.buffer.as_mut_ptr(), BUFFER_BYTES as u32)
            .build()
            .user_data(index)
    }

    /// What is to be done next, after so many bytes were received.
    fn answer(&mut self, index: u64, received: usize) -> io::Result<Entry> {
        let answer = self.protocol.answer(&self.buffer[..received])?;
        if answer.is_empty() {
            return Ok(self.receive(index));
        }
        let length = answer.len() as u32;
        let send = opcode::Send::new(Fd(self.socket.as_raw_fd()), answer.as_ptr(), length);
        self.doing = Doing::Send(length);
        Ok(send.flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL).build().user_data(index))
    }
}

fn serve<A: Answering>(ready: Ready) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    ready.listening_on(listener.local_addr()?)?;
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut submissions = Submissions::new(submitter, queue);
    // The connections' places are their descriptors' numbers.
    let mut connections: ManuallyDrop<Vec<Option<Connection<A>>>> = ManuallyDrop::new(Vec::new());
    let mut buffers: Vec<Box<[u8]>> = Vec::new();

    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    // SAFETY: an accept without an address names no memory; the listener lives as long as the loop.
    unsafe { submissions.push(&accept)? };
    loop {
        submissions.turn()?;
        completions.sync();
        for completion in &mut completions {
            let (index, result) = (completion.user_data(), completion.result());
            if index == ACCEPT {
                let buffer = buffers.pop().unwrap_or_else(new_buffer);
                let (place, connection) = accepted(result, buffer)?;
                if connections.len() <= place {
                    connections.resize_with(place + 1, || None);
                }
                let receive = connections[place].insert(connection).receive(place as u64);
                // SAFETY: the connection owns the buffer and the socket until the completion.
                unsafe { submissions.push(&receive)? };
                if !io_uring::cqueue::more(completion.flags()) {
                    // SAFETY: as for the first accept.
                    unsafe { submissions.push(&accept)? };
                }
                continue;
            }
            let Some(connection) = connections[index as usize].as_mut() else {
                bail!("a completion for a connection that is closed");
            };
            let next = match connection.doing {
                Doing::Receive if result > 0 => connection.answer(index, result as usize).ok(),
                Doing::Send(length) if result == length as i32 => {
                    connection.protocol.sent();
                    buffers.push(std::mem::take(&mut connection.buffer));
                    connection.buffer = buffers.pop().unwrap_or_else(new_buffer);
                    Some(connection.receive(index))
                }
                _ => None,
            };
            let Some(next) = next else {
                // The end of the stream, or an error: nothing of this connection is in flight.
                if let Some(closed) = connections[index as usize].take() {
                    buffers.push(closed.buffer);
                }
                continue;
            };
            // SAFETY: the connection owns the buffer and the socket until the completion.
            unsafe { submissions.push(&next)? };
        }
    }
}

fn accepted<A: Answering>(result: RawFd, buffer: Box<[u8]>) -> anyhow::Result<(usize, Connection<A>)> {
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result).into());
    }
    // SAFETY: the accept just gave this descriptor to us alone.
    let socket = unsafe { OwnedFd::from_raw_fd(result) };
    SockRef::from(&socket).set_tcp_nodelay(true)?;
    let protocol = A::default();
    Ok((result as usize, Connection { socket, buffer, protocol, doing: Doing::Receive }))
}

fn new_buffer() -> Box<[u8]> {
    vec![0; BUFFER_BYTES].into_boxed_slice()
}
