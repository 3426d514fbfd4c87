//! A connection whose answers go out together, whatever number of buffers they lie in.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use io_uring::{opcode, squeue::Entry, types::Fd};
use socket2::SockRef;

use super::{SEND, bundles::Bundles};
use crate::peers::raw_multishot::buffer_ring::{Filled, GROUP};

/// So many buffers go out at a time.
const VECTORS: usize = 16;

pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    /// What came and was not sent yet; the first of them are being sent.
    chunks: VecDeque<Filled>,
    /// How many of them.
    sending: usize,
    /// What the kernel reads during a send, in a place of its own.
    message: Box<Message>,
    pub(super) receiving: bool,
    pub(super) ended: bool,
}

struct Message {
    header: libc::msghdr,
    vectors: [libc::iovec; VECTORS],
}

impl Connection {
    pub(super) fn accepted(result: RawFd) -> io::Result<Self> {
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
        // SAFETY: the accept just gave this descriptor to us alone.
        let socket = unsafe { OwnedFd::from_raw_fd(result) };
        SockRef::from(&socket).set_tcp_nodelay(true)?;
        // SAFETY: all zero is a message without any parts, and vectors of no bytes.
        let message = Box::new(unsafe { std::mem::zeroed() });
        Ok(Self { socket, chunks: VecDeque::new(), sending: 0, message, receiving: false, ended: false })
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended && !self.receiving && self.sending == 0
    }

    pub(super) fn receive(&mut self) -> Entry {
        self.receiving = true;
        let socket = self.socket.as_raw_fd();
        opcode::RecvMultiBundle::new(Fd(socket), GROUP).build().user_data(socket as u64)
    }

    /// Takes what a receive brought.
    pub(super) fn take(&mut self, first: u16, bytes: u32, buffers: &mut Bundles) {
        self.chunks.extend(buffers.take(first, bytes));
        if self.ended {
            self.throw_away(buffers);
        }
    }

    /// Sends what there is, unless a send is under way.
    pub(super) fn send(&mut self, buffers: &Bundles) -> Option<Entry> {
        if self.sending > 0 || self.chunks.is_empty() {
            return None;
        }
        self.sending = self.chunks.len().min(VECTORS);
        let (socket, flags) = (self.socket.as_raw_fd(), libc::MSG_WAITALL | libc::MSG_NOSIGNAL);
        let send = if self.sending == 1 {
            let chunk = self.chunks[0];
            opcode::Send::new(Fd(socket), buffers.address(chunk.buffer), chunk.length).flags(flags).build()
        } else {
            let Message { header, vectors } = &mut *self.message;
            for (vector, chunk) in vectors.iter_mut().zip(&self.chunks) {
                let iov_base = buffers.address(chunk.buffer).cast_mut().cast();
                *vector = libc::iovec { iov_base, iov_len: chunk.length as usize };
            }
            header.msg_iov = vectors.as_mut_ptr();
            header.msg_iovlen = self.sending as _;
            opcode::SendMsg::new(Fd(socket), &*header).flags(flags as u32).build()
        };
        Some(send.user_data(socket as u64 | SEND))
    }

    /// Gives back what was sent.
    pub(super) fn sent(&mut self, result: i32, buffers: &mut Bundles) {
        let mut expected = 0;
        for chunk in self.chunks.drain(..std::mem::take(&mut self.sending)) {
            expected += chunk.length;
            buffers.give_back(chunk.buffer);
        }
        if result != expected as i32 {
            self.ended = true;
            // Ends the receive too; fails only if the other end did that already.
            SockRef::from(&self.socket).shutdown(std::net::Shutdown::Both).ok();
            self.throw_away(buffers);
        }
    }

    /// Gives back what will not be sent any more.
    fn throw_away(&mut self, buffers: &mut Bundles) {
        for chunk in self.chunks.drain(self.sending..) {
            buffers.give_back(chunk.buffer);
        }
    }
}
