//! Much in one direction by hand: one operation after the other on one connection, each awaited at once.
//!
//! Contract of the unsafe code: the buffer that an entry names is alive until its last completion, for nothing else is
//! done until that is there. A send without a copy has two completions: the second says that the kernel has no use for
//! the buffer any more. Should entering the ring fail, the buffer is leaked.

use std::{
    io,
    mem::ManuallyDrop,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
};

use futures_util::FutureExt;
use io_uring::{CompletionQueue, cqueue, opcode, squeue::Entry, types::Fd};

use crate::{
    measuring::{
        ready::Ready,
        submissions::{Submissions, ring},
    },
    peers::connection::{Connection, serve_bulk},
};

/// Serves one connection after the other; `send` makes the entry that sends.
pub(in crate::peers) fn bulk(ready: Ready, send: fn(RawFd, &[u8]) -> Entry) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    ready.listening_on(listener.local_addr()?)?;
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut submissions = Submissions::new(submitter, queue);
    loop {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let connection =
            OneByOne { socket, submissions: &mut submissions, completions: &mut completions, send };
        // Nothing in it ever waits, and a connection that breaks ends alone.
        let _ = serve_bulk(connection).now_or_never();
    }
}

/// A send that copies into the kernel's own memory.
pub(in crate::peers) fn copying(socket: RawFd, bytes: &[u8]) -> Entry {
    opcode::Send::new(Fd(socket), bytes.as_ptr(), bytes.len() as u32)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
}

/// A send from the buffer itself. Through the loopback device the kernel has to copy all the same.
pub(in crate::peers) fn without_copy(socket: RawFd, bytes: &[u8]) -> Entry {
    opcode::SendZc::new(Fd(socket), bytes.as_ptr(), bytes.len() as u32)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
}

struct OneByOne<'a, 'ring> {
    socket: TcpStream,
    submissions: &'a mut Submissions<'ring>,
    completions: &'a mut CompletionQueue<'ring>,
    send: fn(RawFd, &[u8]) -> Entry,
}

impl OneByOne<'_, '_> {
    /// Does one operation to its last completion.
    ///
    /// # Safety
    /// What the entry names is alive until this returns, and for ever if it fails.
    unsafe fn complete(&mut self, entry: &Entry) -> io::Result<usize> {
        // SAFETY: the caller vouches for what the entry names.
        unsafe { self.submissions.push(entry)? };
        let mut result = 0;
        loop {
            self.submissions.turn()?;
            self.completions.sync();
            for completion in &mut *self.completions {
                if !cqueue::notif(completion.flags()) {
                    result = completion.result();
                }
                if !cqueue::more(completion.flags()) {
                    return usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
                }
            }
        }
    }
}

impl Connection for OneByOne<'_, '_> {
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let mut buffer = ManuallyDrop::new(buffer);
        let socket = Fd(self.socket.as_raw_fd());
        let entry = opcode::Recv::new(socket, buffer.as_mut_ptr(), buffer.len() as u32).build();
        // SAFETY: the buffer is leaked if this fails.
        let length = unsafe { self.complete(&entry)? };
        Ok((ManuallyDrop::into_inner(buffer), length))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let buffer = ManuallyDrop::new(buffer);
        let entry = (self.send)(self.socket.as_raw_fd(), &buffer);
        // SAFETY: the buffer is leaked if this fails.
        let length = unsafe { self.complete(&entry)? };
        if length < buffer.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(ManuallyDrop::into_inner(buffer))
    }
}
