//! `recvmmsg` and `sendmmsg` by hand, on a socket that blocks.
//!
//! The unsafe blocks pass pointers to live arrays, which point to each other and to buffers that stay where they are, to
//! system calls that do not keep them.

use std::{io, mem, net::UdpSocket, os::fd::AsRawFd, ptr};

use socket2::SockAddr;

use super::{
    Peer,
    datagrams::{Datagrams, Jobs, Offloading, Together},
};
use crate::measuring::{
    amounts::{STREAM_BYTES, TOGETHER},
    datagrams,
    job::Order,
    stopwatch::Measured,
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-mmsg",
    about: "recvmmsg and sendmmsg by hand",
    packages: &[],
    by_hand: true,
    servers: &[],
    jobs: &[("udp", Jobs::<Calls>::EVERY)],
};

/// How many messages one call takes.
const MOST: usize = 64;
/// Room for one datagram.
const ROOM: usize = 2048;
/// Room for several that are handed over as one.
const ROOM_TOGETHER: usize = 1 << 16;

/// Messages with their addresses and buffers.
struct Messages {
    messages: Vec<libc::mmsghdr>,
    pieces: Vec<libc::iovec>,
    names: Vec<libc::sockaddr_in>,
    buffers: Vec<u8>,
    room: usize,
}

impl Messages {
    fn new(room: usize) -> Self {
        // SAFETY: zeroes are valid values of these records.
        let (message, name, piece) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            messages: vec![message; MOST],
            pieces: vec![piece; MOST],
            names: vec![name; MOST],
            buffers: vec![7; MOST * room],
            room,
        }
    }

    /// Makes all of them ready, each with so many bytes.
    fn prepare(&mut self, length: usize) {
        for number in 0..MOST {
            let buffer = self.buffers[number * self.room..].as_mut_ptr();
            self.pieces[number] = libc::iovec { iov_base: buffer.cast(), iov_len: length };
            let header = &mut self.messages[number].msg_hdr;
            header.msg_name = (&raw mut self.names[number]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = &raw mut self.pieces[number];
            header.msg_iovlen = 1;
        }
    }

    /// Receives at least one.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.prepare(self.room);
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

struct Calls;

impl Datagrams for Calls {
    fn echo(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        datagrams::echo(order, peers, size, |socket, progress| {
            let mut messages = Messages::new(ROOM);
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
        receive(order, ROOM)
    }

    fn send(order: &Order) -> anyhow::Result<Measured> {
        send(order, ROOM)
    }
}

/// It always does.
impl Together for Calls {
    fn echo_together(order: &Order, peers: usize, size: usize) -> anyhow::Result<Measured> {
        Self::echo(order, peers, size)
    }
}

impl Offloading for Calls {
    fn receive_offload(order: &Order) -> anyhow::Result<Measured> {
        receive(order, ROOM_TOGETHER)
    }

    fn send_offload(order: &Order) -> anyhow::Result<Measured> {
        send(order, ROOM_TOGETHER)
    }
}

fn receive(order: &Order, room: usize) -> anyhow::Result<Measured> {
    datagrams::receive(order, |socket, from, progress| {
        datagrams::set_coalescing(&socket, room == ROOM_TOGETHER)?;
        let mut messages = Messages::new(room);
        loop {
            let count = messages.receive(&socket)?;
            let mut datagrams = 0;
            for (message, name) in messages.messages[..count].iter().zip(&messages.names) {
                let length = message.msg_len as usize;
                anyhow::ensure!(length > 0 && length % STREAM_BYTES == 0, "of another size");
                anyhow::ensure!(datagrams::is_sender(name, from), "of another sender");
                datagrams += length / STREAM_BYTES;
            }
            if !progress.add(datagrams as u64) {
                return Ok(());
            }
        }
    })
}

fn send(order: &Order, room: usize) -> anyhow::Result<Measured> {
    datagrams::send(order, |socket, to, progress| {
        let mut messages = Messages::new(room);
        let to = SockAddr::from(to);
        // The datagrams of one call, or one that the kernel makes so many of.
        let (together, count) = if room == ROOM_TOGETHER { (TOGETHER, 1) } else { (1, MOST) };
        if together > 1 {
            datagrams::segment(&socket)?;
        }
        messages.prepare(STREAM_BYTES * together);
        for message in &mut messages.messages {
            message.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
            message.msg_hdr.msg_namelen = to.len();
        }
        loop {
            messages.send(&socket, count)?;
            if !progress.add((count * together) as u64) {
                return Ok(());
            }
        }
    })
}
