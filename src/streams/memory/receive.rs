//! The receiving end.

use super::{
    channel::{CLOSED, Channel, ITEM, Received},
    statistics::MemoryStreamStatistics,
};
use crate::{
    error::{Error, Result},
    runtime::{WaitQueue, WaitReason},
    sync::waiting::{Grant, Waiting},
};
use std::{borrow::Borrow, cell::Cell, fmt, marker::PhantomData, rc::Rc};

/// A handle to the receiving end of a channel. Made by [`channel`](super::channel()).
///
/// Clones receive from the same channel, each item going to one of them. The end is closed when all its handles are; a
/// handle is closed by [`close`](Self::close) or by dropping it. What is in the channel then is dropped, and senders get
/// [`Error::BrokenResource`].
///
/// Items come out in the order in which they were sent. If several receivers wait, the one who came first is given the
/// right to an item first; which of those that have the right runs first is up to the executor, and that one gets the
/// older item.
pub struct ReceiveStream<T> {
    channel: Rc<Channel<T>>,
    handle: u64,
    closed: Cell<bool>,
}

impl<T> ReceiveStream<T> {
    pub(super) fn new(channel: Rc<Channel<T>>) -> Self {
        channel.open_receiver();
        Self { handle: channel.new_label(), channel, closed: Cell::new(false) }
    }

    /// The next item, or `None` if all sending handles are closed and no item is left. Waits while there is neither.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if this handle is closed, also while the call waits. [`Error::Cancelled`] if the scope
    /// is cancelled before there is an item.
    ///
    /// # Cancel safety
    /// No item is lost: a cancelled call has taken none, and the item of a call that is dropped otherwise goes to the
    /// next receiver.
    pub async fn receive(&self) -> Result<Option<T>> {
        Waiting::new(Receiving::new(self)).await?
    }

    /// The next item, or `None` if all sending handles are closed and no item is left, without waiting.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`receive`](Self::receive) would wait. [`Error::ClosedResource`] if this handle is
    /// closed.
    pub fn receive_nowait(&self) -> Result<Option<T>> {
        if self.closed.get() {
            return Err(Error::ClosedResource);
        }
        match self.channel.receive_now() {
            Received::Item(item) => Ok(Some(item)),
            Received::End => Ok(None),
            Received::Nothing => Err(Error::WouldBlock),
        }
    }

    /// Closes this handle. Tasks that wait in `receive` on it get [`Error::ClosedResource`]. Does nothing the second
    /// time.
    pub fn close(&self) {
        if !self.closed.replace(true) {
            self.channel.close_receiver(self.handle);
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

impl<T> Clone for ReceiveStream<T> {
    /// Another handle to the same channel. The clone of a closed handle is closed.
    fn clone(&self) -> Self {
        if self.closed.get() {
            return Self { channel: self.channel.clone(), handle: self.handle, closed: Cell::new(true) };
        }
        Self::new(self.channel.clone())
    }
}

impl<T> Drop for ReceiveStream<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> fmt::Debug for ReceiveStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveStream")
            .field("closed", &self.closed.get())
            .field("channel", &self.statistics())
            .finish()
    }
}

/// A wait for an item, on a handle that is lent or owned.
pub(super) struct Receiving<T, H> {
    stream: H,
    item: PhantomData<fn() -> T>,
}

impl<T, H: Borrow<ReceiveStream<T>>> Receiving<T, H> {
    pub(super) fn new(stream: H) -> Self {
        Self { stream, item: PhantomData }
    }

    pub(super) fn stream(&self) -> &ReceiveStream<T> {
        self.stream.borrow()
    }
}

impl<T, H: Borrow<ReceiveStream<T>>> Grant for Receiving<T, H> {
    const REASON: WaitReason = WaitReason::ChannelReceive;

    type Output = Result<Option<T>>;

    fn queue(&self) -> &WaitQueue {
        &self.stream().channel.receivers
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        match self.stream().receive_nowait() {
            Err(Error::WouldBlock) => None,
            received => Some(received),
        }
    }

    fn queue_up(&mut self) -> u64 {
        self.stream().handle
    }

    fn granted(&mut self, answer: i32) -> Self::Output {
        match answer {
            ITEM => Ok(self.stream().channel.take_promised()),
            CLOSED => Err(Error::ClosedResource),
            _ => Ok(None),
        }
    }

    fn pass_on(&mut self, answer: i32) {
        if answer == ITEM {
            self.stream().channel.give_up_promise();
        }
    }
}
