//! Objects from any thread to any thread.

use super::sleepers::{Sleeper, Sleepers};
use crate::{
    error::{Error, Result},
    runtime::WaitReason,
    scope::foreign_for,
    streams::memory::TrySendError,
};
use crossbeam_queue::ArrayQueue;
use std::{
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A channel between threads that holds at most `capacity` items.
///
/// Items of one sender are received in the order in which they were sent. Each goes to one receiver.
///
/// # Panics
/// If the capacity is 0.
pub fn channel<T: Send>(capacity: usize) -> (CrossSender<T>, CrossReceiver<T>) {
    let channel = Arc::new(Channel {
        queue: ArrayQueue::new(capacity),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        sending: Sleepers::default(),
        receiving: Sleepers::default(),
    });
    (CrossSender(channel.clone()), CrossReceiver(channel))
}

#[derive(Debug)]
struct Channel<T> {
    queue: ArrayQueue<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    sending: Sleepers,
    receiving: Sleepers,
}

impl<T> Channel<T> {
    /// `Some(None)` is the end.
    fn receive_now(&self) -> Option<Option<T>> {
        let mut item = self.queue.pop();
        if item.is_none() {
            if self.senders.load(Ordering::SeqCst) > 0 {
                return None;
            }
            // The last sender may have sent just before it went.
            item = self.queue.pop();
        }
        if item.is_some() {
            self.sending.wake_one();
        }
        Some(item)
    }

    fn send_now(&self, item: T) -> Result<(), TrySendError<T>> {
        if self.receivers.load(Ordering::SeqCst) == 0 {
            let cause = io::Error::new(io::ErrorKind::BrokenPipe, "all receivers are gone");
            return Err(TrySendError { item, error: Error::BrokenResource(cause) });
        }
        match self.queue.push(item) {
            Ok(()) => {
                self.receiving.wake_one();
                Ok(())
            }
            Err(item) => Err(TrySendError { item, error: Error::WouldBlock }),
        }
    }
}

/// Sends into a channel between threads. The stream ends for the receivers when all senders are dropped.
#[derive(Debug)]
pub struct CrossSender<T>(Arc<Channel<T>>);

impl<T: Send> CrossSender<T> {
    /// Sends an item; waits while the channel is full.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if all receivers are gone, [`Error::Cancelled`] if the scope is cancelled. The item is
    /// dropped then.
    ///
    /// # Cancel safety
    /// A call that is cancelled or dropped has not sent the item.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn send(&self, item: T) -> Result<()> {
        let mut item = Some(item);
        let mut sleeper = Sleeper::new(&self.0.sending);
        let sent = poll_fn(|cx| {
            sleeper.poll(cx, || match self.0.send_now(item.take()?) {
                Ok(()) => Some(Ok(())),
                Err(TrySendError { item: refused, error: Error::WouldBlock }) => {
                    item = Some(refused);
                    None
                }
                Err(refused) => Some(Err(refused.error)),
            })
        });
        foreign_for(WaitReason::OtherThread, sent).await?
    }

    /// Sends an item if there is room, on any thread.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::BrokenResource`] if all receivers are gone. The item comes back in
    /// the error.
    pub fn send_nowait(&self, item: T) -> Result<(), TrySendError<T>> {
        self.0.send_now(item)
    }
}

impl<T> Clone for CrossSender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

impl<T> Drop for CrossSender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.receiving.wake_all();
        }
    }
}

/// Receives from a channel between threads. When all receivers are dropped, senders get [`Error::BrokenResource`].
#[derive(Debug)]
pub struct CrossReceiver<T>(Arc<Channel<T>>);

impl<T: Send> CrossReceiver<T> {
    /// The next item, or `None` if all senders are gone and nothing is left.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled first.
    ///
    /// # Cancel safety
    /// No item is lost.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn receive(&self) -> Result<Option<T>> {
        let mut sleeper = Sleeper::new(&self.0.receiving);
        let received = poll_fn(|cx| sleeper.poll(cx, || self.0.receive_now()));
        Ok(foreign_for(WaitReason::OtherThread, received).await?)
    }

    /// Waits for an item and appends it, and those that are there besides, to `items`, up to `max_items`. Tells how many;
    /// 0 is the end.
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
        let before = items.len();
        items.extend(self.receive().await?);
        while items.len() > before && items.len() - before < max_items {
            let Some(Some(item)) = self.0.receive_now() else { break };
            items.push(item);
        }
        Ok(items.len() - before)
    }

    /// The next item, or `None` at the end, on any thread.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`receive`](Self::receive) would wait.
    pub fn receive_nowait(&self) -> Result<Option<T>> {
        self.0.receive_now().ok_or(Error::WouldBlock)
    }
}

impl<T> Clone for CrossReceiver<T> {
    fn clone(&self) -> Self {
        self.0.receivers.fetch_add(1, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

impl<T> Drop for CrossReceiver<T> {
    fn drop(&mut self) {
        if self.0.receivers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.sending.wake_all();
            // Nobody can receive these any more. One that is being sent now goes with the channel.
            while self.0.queue.pop().is_some() {}
        }
    }
}
