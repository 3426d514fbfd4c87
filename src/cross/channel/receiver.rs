//! The receiving end.

use super::{Channel, CrossChannelStatistics};
use crate::{
    cross::sleepers::Sleeper,
    error::{Error, Result},
    runtime::WaitReason,
    scope::foreign_for,
    streams::{Attributes, ObjectReceiveStream},
};
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Receives from a channel between threads. When all receivers are closed, which dropping them does, what is in the channel
/// is dropped, and senders get [`Error::BrokenResource`].
#[derive(Debug)]
pub struct CrossReceiver<T> {
    channel: Arc<Channel<T>>,
    closed: AtomicBool,
}

impl<T> CrossReceiver<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        Self { channel, closed: AtomicBool::new(false) }
    }

    /// Closes this receiver. Tasks on any thread that wait in `receive` on it get [`Error::ClosedResource`]. Does nothing
    /// the second time.
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            self.channel.close_receiver();
            self.channel.receiving.wake_all();
        }
    }

    /// Whether this receiver is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How the channel stands.
    pub fn statistics(&self) -> CrossChannelStatistics {
        self.channel.statistics()
    }

    fn receive_now(&self, max_items: usize, take: impl FnMut(T)) -> Option<Result<usize>> {
        if self.is_closed() {
            return Some(Err(Error::ClosedResource));
        }
        self.channel.receive_now(max_items, take).map(Ok)
    }
}

impl<T: Send> CrossReceiver<T> {
    /// The next item, or `None` if all senders are closed and nothing is left.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if this receiver is closed, also while the call waits. [`Error::Cancelled`] if the scope
    /// is cancelled first.
    ///
    /// # Cancel safety
    /// No item is lost.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn receive(&self) -> Result<Option<T>> {
        let mut item = None;
        let mut sleeper = Sleeper::new(&self.channel.receiving);
        let received =
            poll_fn(|cx| sleeper.poll(cx, || self.receive_now(1, |received| item = Some(received))));
        foreign_for(WaitReason::OtherThread, received).await??;
        Ok(item)
    }

    /// Waits for an item and appends it, and those that are there besides, to `items`, up to `max_items`. Tells how many;
    /// 0 is the end. It costs less than receiving them one by one.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    ///
    /// # Panics
    /// If `max_items` is 0, or outside of a run.
    ///
    /// # Cancel safety
    /// No item is lost.
    pub async fn receive_batch(&self, items: &mut Vec<T>, max_items: usize) -> Result<usize> {
        assert!(max_items > 0, "receiving at most 0 items");
        let mut sleeper = Sleeper::new(&self.channel.receiving);
        foreign_for(
            WaitReason::OtherThread,
            poll_fn(|cx| sleeper.poll(cx, || self.receive_now(max_items, |item| items.push(item)))),
        )
        .await?
    }

    /// The next item, or `None` at the end, on any thread.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`receive`](Self::receive) would wait, [`Error::ClosedResource`] if this receiver is
    /// closed.
    pub fn receive_nowait(&self) -> Result<Option<T>> {
        let mut item = None;
        self.receive_now(1, |received| item = Some(received)).ok_or(Error::WouldBlock)??;
        Ok(item)
    }
}

impl<T> Clone for CrossReceiver<T> {
    /// Another receiver from the same channel. The clone of a closed one is closed.
    fn clone(&self) -> Self {
        let closed = self.is_closed() || !self.channel.open_receiver();
        Self { channel: self.channel.clone(), closed: AtomicBool::new(closed) }
    }
}

impl<T> Drop for CrossReceiver<T> {
    fn drop(&mut self) {
        // Nobody waits on it any more.
        if !*self.closed.get_mut() {
            self.channel.close_receiver();
        }
    }
}

impl<T: Send> ObjectReceiveStream for CrossReceiver<T> {
    type Item = T;

    async fn receive(&mut self) -> Result<Option<T>> {
        CrossReceiver::receive(self).await
    }
}

impl<T> Attributes for CrossReceiver<T> {}
