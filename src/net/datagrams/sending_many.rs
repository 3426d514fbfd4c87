//! Sending several datagrams in one call.
//!
//! # Contract
//! The messages and what they point to are here, or borrowed from the caller's list, which is not touched during the call.

use super::{
    Sender,
    destination::Destination,
    network_error::{error_of, is_of_the_network},
    room,
};
use crate::{
    error::Result,
    lowlevel::checkpoint_if_cancelled,
    runtime::{Core, Refusal, calls, drop_each},
};
use anyio_driver::MOST_SENT_NOW;
use libc::{iovec, msghdr};
use std::{future::poll_fn, mem, mem::MaybeUninit, net::SocketAddr};

/// What a call counts for in what a task may do in one poll without waiting, as it takes that long.
const COST: usize = MOST_SENT_NOW / 4;

/// A list of which the beginning was sent: that goes when this does, in one piece, whatever ends the sending.
struct Rest<'a, T> {
    list: &'a mut Vec<T>,
    sent: usize,
}

impl<T> Rest<'_, T> {
    fn items(&self) -> &[T] {
        &self.list[self.sent..]
    }
}

impl<T> Drop for Rest<'_, T> {
    fn drop(&mut self) {
        // Their destructors are code of users.
        drop_each(self.list.drain(..self.sent));
    }
}

impl Sender {
    /// Sends all of a list, in order, and takes what was sent out of it. `parts` tells the bytes of each, and where they go.
    pub(in crate::net) async fn send_many<T>(
        &self,
        list: &mut Vec<T>,
        parts: impl Fn(&T) -> (&[u8], Option<SocketAddr>),
    ) -> Result<()> {
        checkpoint_if_cancelled().await?;
        let mut rest = Rest { list, sent: 0 };
        let mut repeats = super::sending::REPEATS;
        while let Some(first) = rest.items().first() {
            match Core::with(|core| self.send_beginning(core, rest.items(), &parts)) {
                Ok(sent) => rest.sent += sent,
                Err(libc::EINTR) => {}
                // The numbers are the same on Linux only.
                #[allow(unreachable_patterns)]
                Err(libc::EAGAIN | libc::EWOULDBLOCK) => {
                    let mut to = Destination::none();
                    to.set_internet(parts(first).1);
                    room::wait(self.descriptor(), &to).await.map_err(|refusal| error_of(refusal, "send"))?;
                }
                // What the network says of another.
                Err(number) if !self.is_connected() && is_of_the_network(number) && repeats > 0 => {
                    repeats -= 1
                }
                Err(number) => return Err(error_of(Refusal::System(number), "send")),
            }
            for _ in 0..COST {
                poll_fn(|cx| Core::with(|core| core.poll_immediate(cx))).await;
            }
            if !rest.items().is_empty() {
                checkpoint_if_cancelled().await?;
            }
        }
        Ok(())
    }

    /// Sends as many of a list as one call takes. An error is the first one's, by its number.
    fn send_beginning<T>(
        &self,
        core: &Core,
        list: &[T],
        parts: impl Fn(&T) -> (&[u8], Option<SocketAddr>),
    ) -> Result<usize, i32> {
        let mut rooms = [const { MaybeUninit::<(Destination, iovec)>::uninit() }; MOST_SENT_NOW];
        let messages = list.iter().zip(&mut rooms).map(|(item, room)| {
            let (bytes, to) = parts(item);
            let piece = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let (destination, piece) = room.write((Destination::none(), piece));
            destination.set_internet(to);
            // SAFETY: all zeroes is a message without anything.
            let mut message: msghdr = unsafe { mem::zeroed() };
            (message.msg_name, message.msg_namelen) = destination.parts();
            (message.msg_iov, message.msg_iovlen) = (piece, 1);
            message
        });
        // SAFETY: what each message points to is in a room of its own, or borrowed.
        unsafe { calls::send_messages(core, self.descriptor().raw(), messages) }
    }
}
