//! A connection's socket: a descriptor of the process, or one of the ring alone.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use io_uring::{
    opcode,
    squeue::{Entry, Flags},
    types::{Fd, Fixed},
};
use socket2::SockRef;

use super::buffer_ring;

/// User data of what nobody waits for.
pub(super) const UNWATCHED: u64 = u64::MAX - 1;

/// Where the ring puts the sockets that it accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::peers) enum Table {
    Process,
    /// Direct descriptors: a table of the ring's own, which system calls know nothing of.
    Ring,
}

pub(super) enum Socket {
    Process(OwnedFd),
    Ring(u32),
}

impl Socket {
    /// Takes over what an accept gave.
    pub(super) fn accepted(result: RawFd, table: Table) -> io::Result<Self> {
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
        match table {
            Table::Process => {
                // SAFETY: the accept just gave this descriptor to us alone.
                let socket = unsafe { OwnedFd::from_raw_fd(result) };
                SockRef::from(&socket).set_tcp_nodelay(true)?;
                Ok(Self::Process(socket))
            }
            // Here the option is inherited from the listener.
            Table::Ring => Ok(Self::Ring(result as u32)),
        }
    }

    /// Its number in its table, which is its connection's place.
    pub(super) fn place(&self) -> u64 {
        match self {
            Self::Process(socket) => socket.as_raw_fd() as u64,
            Self::Ring(index) => u64::from(*index),
        }
    }

    pub(super) fn receive(&self) -> Entry {
        match self {
            Self::Process(socket) => {
                opcode::RecvMulti::new(Fd(socket.as_raw_fd()), buffer_ring::GROUP).build()
            }
            Self::Ring(index) => opcode::RecvMulti::new(Fixed(*index), buffer_ring::GROUP).build(),
        }
    }

    pub(super) fn send(&self, address: *const u8, length: u32) -> Entry {
        let send = match self {
            Self::Process(socket) => opcode::Send::new(Fd(socket.as_raw_fd()), address, length),
            Self::Ring(index) => opcode::Send::new(Fixed(*index), address, length),
        };
        send.flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL).build()
    }

    /// Ends both directions, and with them a receive in flight.
    pub(super) fn shutdown(&self) -> Entry {
        let shutdown = match self {
            Self::Process(socket) => opcode::Shutdown::new(Fd(socket.as_raw_fd()), libc::SHUT_RDWR),
            Self::Ring(index) => opcode::Shutdown::new(Fixed(*index), libc::SHUT_RDWR),
        };
        shutdown.build().flags(Flags::SKIP_SUCCESS).user_data(UNWATCHED)
    }

    /// What the ring has to do for it to be closed, if anything.
    pub(super) fn close(self) -> Option<Entry> {
        match self {
            Self::Process(_) => None,
            Self::Ring(index) => {
                let close = opcode::Close::new(Fixed(index)).build();
                Some(close.flags(Flags::SKIP_SUCCESS).user_data(UNWATCHED))
            }
        }
    }
}
