//! `recvmmsg` and `sendmmsg` by hand, on a socket that blocks.
//!
//! The unsafe blocks pass pointers to live arrays, which point to each other and to buffers that stay where they are, to
//! system calls that do not keep them.

use std::{io, mem, net::UdpSocket, os::fd::AsRawFd, ptr};

use super::Peer;
use crate::measuring::{
    amounts::STREAM_BYTES,
    datagrams,
    job::{Job, Order},
    stopwatch::Measured,
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-mmsg",
    about: "recvmmsg and sendmmsg by hand",
    packages: &[],
    by_hand: true,
    servers: &[],
    jobs: &[("udp", JOBS)],
};

const JOBS: &[(&str, Job)] = &[
    ("echo-1x64", |order| echo(order, 1, 64)),
    ("echo-50x64", |order| echo(order, 50, 64)),
    ("echo-500x64", |order| echo(order, 500, 64)),
    ("echo-1x1200", |order| echo(order, 1, 1_200)),
    ("echo-50x1200", |order| echo(order, 50, 1_200)),
    ("echo-500x1200", |order| echo(order, 500, 1_200)),
    ("receive", receive),
    ("send", send),
];

/// How many datagrams one call takes.
const MOST: usize = 64;
const ROOM: usize = 2048;

/// Messages with their addresses and buffers.
struct Messages {
    messages: Vec<libc::mmsghdr>,
    pieces: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_in>,
    buffers: Vec<u8>,
}

impl Messages {
    fn new() -> Self {
        // SAFETY: zeroes are valid values of these records.
        let (message, name, piece) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            messages: vec![message; MOST],
            pieces: vec![piece; MOST],
            names: vec![name; MOST],
            buffers: vec![7; MOST * ROOM],
        }
    }

    /// Makes all of them ready, each with so many bytes.
    fn prepare(&mut self, length: impl Fn(usize) -> usize) {
        for number in 0..MOST {
            let buffer = self.buffers[number * ROOM..].as_mut_ptr();
            self.pieces[number] = libc::iovec { iov_base: buffer.cast(), iov_len: length(number) };
            let header = &mut self.messages[number].msg_hdr;
            header.msg_name = (&raw mut self.names[number]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = &raw mut self.pieces[number];
            header.msg_iovlen = 1;
        }
    }

    /// Receives at least one.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.prepare(|_| ROOM);
        // SAFETY: so many messages were prepared.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                MOST as u32,
                libc::MSG_WAITFORONE,
                ptr::null_mut(),
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Sends the first of them, as they are.
    fn send(&mut self, socket: &UdpSocket, count: usize) -> io::Result<()> {
        let mut sent = 0;
        while sent < count {
            let rest = &mut self.messages[sent..count];
            // SAFETY: there are so many messages, which point to live addresses and bytes.
            let more = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
            sent += usize::try_from(more).map_err(|_| io::Error::last_os_error())?;
        }
        Ok(())
    }
}

fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
    datagrams::echo(order, peers, size, |socket, progress| {
        let mut messages = Messages::new();
        loop {
            let count = messages.receive(&socket)?;
            for number in 0..count {
                messages.pieces[number].iov_len = messages.messages[number].msg_len as usize;
            }
            messages.send(&socket, count)?;
            if !progress.add(count as u64) {
                return Ok(());
            }
        }
    })
}

fn receive(order: &Order) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, progress| {
        let mut messages = Messages::new();
        loop {
            let count = messages.receive(&socket)?;
            if !progress.add(count as u64) {
                return Ok(());
            }
        }
    })
}

fn send(order: &Order) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        let mut messages = Messages::new();
        socket.connect(to)?;
        messages.prepare(|_| STREAM_BYTES);
        for message in &mut messages.messages {
            message.msg_hdr.msg_name = ptr::null_mut();
            message.msg_hdr.msg_namelen = 0;
        }
        loop {
            messages.send(&socket, MOST)?;
            if !progress.add(MOST as u64) {
                return Ok(());
            }
        }
    })
}
