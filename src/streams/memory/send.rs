//! The sending end.

use super::{
    channel::{CLOSED, Channel, ITEM, Refused, broken},
    statistics::MemoryStreamStatistics,
};
use crate::{
    error::{Error, Result},
    runtime::{WaitQueue, WaitReason},
    sync::waiting::{Grant, Waiting},
};
use std::{cell::Cell, error::Error as StdError, fmt, rc::Rc};

/// A handle to the sending end of a channel. Made by [`channel`](super::channel()).
///
/// Clones send into the same channel. The end is closed when all its handles are; a handle is closed by
/// [`close`](Self::close) or by dropping it. The receivers get what is still in the channel, and then the end.
pub struct SendStream<T> {
    channel: Rc<Channel<T>>,
    handle: u64,
    closed: Cell<bool>,
}

impl<T> SendStream<T> {
    pub(super) fn new(channel: Rc<Channel<T>>) -> Self {
        channel.open_sender();
        Self { handle: channel.new_label(), channel, closed: Cell::new(false) }
    }

    /// Sends an item; waits while the channel is full. Senders that wait are served in the order in which they came.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if this handle is closed, also while the call waits. [`Error::BrokenResource`] if all
    /// receiving handles are. [`Error::Cancelled`] if the scope is cancelled. In each case the item is dropped and no
    /// receiver gets it; [`send_nowait`](Self::send_nowait) gives it back.
    ///
    /// # Cancel safety
    /// A cancelled `send` has not sent the item. If the future is dropped without having been cancelled, the item may
    /// have been received already.
    pub async fn send(&self, item: T) -> Result<()> {
        Waiting::new(Sending { stream: self, item: Some(item), label: 0 }).await?
    }

    /// Sends an item if that can be done at once: somebody waits for it, or there is room.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and [`Error::WouldBlock`] where `send` would wait. The item comes back in the
    /// error.
    pub fn send_nowait(&self, item: T) -> Result<(), TrySendError<T>> {
        if self.closed.get() {
            return Err(TrySendError { item, error: Error::ClosedResource });
        }
        self.channel.send_now(item).map_err(|refused| match refused {
            Refused::Full(item) => TrySendError { item, error: Error::WouldBlock },
            Refused::Broken(item) => TrySendError { item, error: broken() },
        })
    }

    /// Closes this handle. Tasks that wait in `send` on it get [`Error::ClosedResource`]. Does nothing the second time.
    pub fn close(&self) {
        if !self.closed.replace(true) {
            self.channel.close_sender(self.handle);
        }
    }

    /// Whether this handle is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// How the channel stands.
    pub fn statistics(&self) -> MemoryStreamStatistics {
        self.channel.statistics()
    }
}

impl<T> Clone for SendStream<T> {
    /// Another handle to the same channel. The clone of a closed handle is closed.
    fn clone(&self) -> Self {
        if self.closed.get() {
            return Self { channel: self.channel.clone(), handle: self.handle, closed: Cell::new(true) };
        }
        Self::new(self.channel.clone())
    }
}

impl<T> Drop for SendStream<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> fmt::Debug for SendStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendStream")
            .field("closed", &self.closed.get())
            .field("channel", &self.statistics())
            .finish()
    }
}

struct Sending<'a, T> {
    stream: &'a SendStream<T>,
    /// Here before it was sent, and while it does not lie in the channel.
    item: Option<T>,
    label: u64,
}

impl<T> Grant for Sending<'_, T> {
    const REASON: WaitReason = WaitReason::ChannelSend;

    type Output = Result<()>;

    fn queue(&self) -> &WaitQueue {
        &self.stream.channel.senders
    }

    fn try_now(&mut self) -> Option<Result<()>> {
        match self.stream.send_nowait(self.item.take()?) {
            Ok(()) => Some(Ok(())),
            Err(TrySendError { item, error: Error::WouldBlock }) => {
                self.item = Some(item);
                None
            }
            Err(TrySendError { error, .. }) => Some(Err(error)),
        }
    }

    fn queue_up(&mut self) -> u64 {
        if let Some(item) = self.item.take() {
            self.label = self.stream.channel.block(self.stream.handle, item);
        }
        self.label
    }

    fn granted(&mut self, answer: i32) -> Result<()> {
        if answer == ITEM {
            return Ok(());
        }
        self.left();
        Err(if answer == CLOSED { Error::ClosedResource } else { broken() })
    }

    fn left(&mut self) {
        self.item = self.stream.channel.unblock(self.label);
    }

    fn pass_on(&mut self, answer: i32) {
        if answer != ITEM {
            self.left();
        }
    }
}

/// An item that could not be sent, and why.
pub struct TrySendError<T> {
    /// The item.
    pub item: T,
    /// What kept it from being sent.
    pub error: Error,
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySendError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the item was not sent: {}", self.error)
    }
}

impl<T> StdError for TrySendError<T> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<TrySendError<T>> for Error {
    /// Drops the item.
    fn from(error: TrySendError<T>) -> Self {
        error.error
    }
}
