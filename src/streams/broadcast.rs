//! A channel whose every receiver gets every item.
//!
//! Sending never waits. The channel keeps the newest items, as many as its capacity says; a receiver that falls behind
//! further is told how many it has missed.
//!
//! ```
//! use anyio::{Result, streams::broadcast::{self, Received}};
//!
//! # anyio::run(async || -> Result<()> {
//! let (sender, mut receiver) = broadcast::channel(2);
//! for number in 0..3 {
//!     sender.send(number);
//! }
//! drop(sender);
//! assert_eq!(receiver.receive().await?, Some(Received::Missed(1)));
//! assert_eq!(receiver.receive().await?, Some(Received::Item(1)));
//! assert_eq!(receiver.receive().await?, Some(Received::Item(2)));
//! assert_eq!(receiver.receive().await?, None);
//! # Ok(()) }).unwrap();
//! ```

use crate::{
    error::{Error, Result},
    runtime::{Core, WaitQueue, WaitReason, drop_each},
    streams::{Attributes, ObjectReceiveStream},
    sync::waiting::{Grant, Waiting},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt, iter,
    num::NonZeroUsize,
    rc::Rc,
};

/// A channel that keeps at most `capacity` items.
///
/// # Panics
/// If the capacity is 0.
pub fn channel<T>(capacity: usize) -> (BroadcastSender<T>, BroadcastReceiver<T>) {
    let capacity = NonZeroUsize::new(capacity).expect("a broadcast channel keeps at least one item");
    let channel = Rc::new(Channel {
        capacity,
        entries: RefCell::default(),
        first: Cell::new(0),
        senders: Cell::new(0),
        receivers: Cell::new(0),
        waiting: WaitQueue::new(),
    });
    let sender = BroadcastSender::new(channel);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// What a receiver gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<T> {
    /// An item.
    Item(T),
    /// So many items were given up before this receiver took them.
    Missed(u64),
}

/// How a broadcast channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastStatistics {
    /// How many items are kept, since a receiver has not taken them.
    pub current_buffer_used: usize,
    /// How many are kept at most.
    pub max_buffer_size: usize,
    /// How many senders there are.
    pub senders: usize,
    /// How many receivers there are.
    pub receivers: usize,
    /// How many tasks wait for an item.
    pub tasks_waiting: usize,
}

struct Entry<T> {
    item: Rc<T>,
    /// How many receivers have not taken it.
    remaining: usize,
}

struct Channel<T> {
    capacity: NonZeroUsize,
    entries: RefCell<VecDeque<Entry<T>>>,
    /// How many entries have been given up: the number of the first that is left.
    first: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    waiting: WaitQueue,
}

impl<T> Channel<T> {
    fn end(&self) -> u64 {
        self.first.get() + self.entries.borrow().len() as u64
    }

    /// Gives up the first entry; it is dropped by the caller, with no borrow open.
    fn give_up_first(&self) -> Option<Entry<T>> {
        let entry = self.entries.borrow_mut().pop_front()?;
        self.first.set(self.first.get() + 1);
        Some(entry)
    }

    fn give_up_what_all_have(&self) {
        let mut given_up = iter::from_fn(|| {
            let is_had_by_all = self.entries.borrow().front().is_some_and(|entry| entry.remaining == 0);
            is_had_by_all.then(|| self.give_up_first()).flatten()
        });
        let first = given_up.next();
        let others: Vec<_> = given_up.collect();
        // Items are code of users, so they are dropped when all are given up. Mostly it is one.
        drop_each(first.into_iter().chain(others));
    }

    /// Counts the entries from `next` on as not taken by one receiver more.
    fn claim(&self, next: u64) {
        let first = self.first.get();
        let skipped = next.saturating_sub(first) as usize;
        for entry in self.entries.borrow_mut().iter_mut().skip(skipped) {
            entry.remaining += 1;
        }
    }

    fn take(&self, next: &Cell<u64>) -> Option<Received<Rc<T>>> {
        let missed = self.first.get().saturating_sub(next.get());
        if missed > 0 {
            next.set(self.first.get());
            return Some(Received::Missed(missed));
        }
        let item = {
            let mut entries = self.entries.borrow_mut();
            let entry = entries.get_mut((next.get() - self.first.get()) as usize)?;
            entry.remaining -= 1;
            entry.item.clone()
        };
        next.set(next.get() + 1);
        self.give_up_what_all_have();
        Some(Received::Item(item))
    }

    fn statistics(&self) -> BroadcastStatistics {
        BroadcastStatistics {
            current_buffer_used: self.entries.borrow().len(),
            max_buffer_size: self.capacity.get(),
            senders: self.senders.get(),
            receivers: self.receivers.get(),
            tasks_waiting: self.waiting.len(),
        }
    }
}

/// Sends to all receivers of a broadcast channel. The stream ends for them when all senders are dropped.
pub struct BroadcastSender<T> {
    channel: Rc<Channel<T>>,
}

impl<T> BroadcastSender<T> {
    fn new(channel: Rc<Channel<T>>) -> Self {
        channel.senders.set(channel.senders.get() + 1);
        Self { channel }
    }

    /// Sends an item to all receivers there are and tells how many these are. With none the item is dropped.
    pub fn send(&self, item: T) -> usize {
        let channel = &self.channel;
        let remaining = channel.receivers.get();
        if remaining > 0 {
            let given_up = Core::change_anywhere(|| {
                let full = channel.entries.borrow().len() == channel.capacity.get();
                let given_up = full.then(|| channel.give_up_first());
                channel.entries.borrow_mut().push_back(Entry { item: Rc::new(item), remaining });
                channel.waiting.notify_all();
                given_up
            });
            // Items are code of users.
            drop(given_up);
        }
        remaining
    }

    /// A new receiver, of what is sent from now on.
    pub fn subscribe(&self) -> BroadcastReceiver<T> {
        BroadcastReceiver::new(self.channel.clone(), self.channel.end())
    }

    /// How the channel stands.
    pub fn statistics(&self) -> BroadcastStatistics {
        self.channel.statistics()
    }
}

impl<T> Clone for BroadcastSender<T> {
    fn clone(&self) -> Self {
        Self::new(self.channel.clone())
    }
}

impl<T> Drop for BroadcastSender<T> {
    fn drop(&mut self) {
        self.channel.senders.set(self.channel.senders.get() - 1);
        if self.channel.senders.get() == 0 {
            self.channel.waiting.notify_all();
        }
    }
}

impl<T> fmt::Debug for BroadcastSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastSender").field("channel", &self.statistics()).finish()
    }
}

/// Receives what is sent into a broadcast channel. A clone receives, on its own, what this one has not taken.
pub struct BroadcastReceiver<T> {
    channel: Rc<Channel<T>>,
    /// The number of the next entry.
    next: Cell<u64>,
}

impl<T> BroadcastReceiver<T> {
    fn new(channel: Rc<Channel<T>>, next: u64) -> Self {
        channel.receivers.set(channel.receivers.get() + 1);
        channel.claim(next);
        Self { channel, next: Cell::new(next) }
    }

    /// How the channel stands.
    pub fn statistics(&self) -> BroadcastStatistics {
        self.channel.statistics()
    }
}

impl<T: Clone> BroadcastReceiver<T> {
    /// The next item, or how many were missed, or `None` if all senders are gone and nothing is left.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled before there is one.
    ///
    /// # Cancel safety
    /// No item is lost; the next call gets it.
    pub async fn receive(&mut self) -> Result<Option<Received<T>>> {
        Ok(Waiting::new(Receive(self)).await?)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] where [`receive`](Self::receive) would wait.
    pub fn receive_nowait(&mut self) -> Result<Option<Received<T>>> {
        Receive(self).try_now().ok_or(Error::WouldBlock)
    }
}

impl<T: Clone> ObjectReceiveStream for BroadcastReceiver<T> {
    type Item = Received<T>;

    async fn receive(&mut self) -> Result<Option<Received<T>>> {
        BroadcastReceiver::receive(self).await
    }
}

impl<T> Attributes for BroadcastReceiver<T> {}

impl<T> Clone for BroadcastReceiver<T> {
    fn clone(&self) -> Self {
        Self::new(self.channel.clone(), self.next.get())
    }
}

impl<T> Drop for BroadcastReceiver<T> {
    fn drop(&mut self) {
        let channel = &self.channel;
        channel.receivers.set(channel.receivers.get() - 1);
        let skipped = self.next.get().saturating_sub(channel.first.get()) as usize;
        for entry in channel.entries.borrow_mut().iter_mut().skip(skipped) {
            entry.remaining -= 1;
        }
        channel.give_up_what_all_have();
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = self.channel.end() - self.next.get();
        f.debug_struct("BroadcastReceiver")
            .field("behind", &behind)
            .field("channel", &self.statistics())
            .finish()
    }
}

struct Receive<'a, T>(&'a BroadcastReceiver<T>);

impl<T: Clone> Grant for Receive<'_, T> {
    const REASON: WaitReason = WaitReason::BroadcastReceive;

    type Output = Option<Received<T>>;

    fn queue(&self) -> &WaitQueue {
        &self.0.channel.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        match self.0.channel.take(&self.0.next) {
            Some(Received::Item(item)) => Some(Some(Received::Item(Rc::unwrap_or_clone(item)))),
            Some(Received::Missed(count)) => Some(Some(Received::Missed(count))),
            None => (self.0.channel.senders.get() == 0).then_some(None),
        }
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        // What woke it, an item or the end, is still there, or was given up and so missed.
        self.try_now().flatten()
    }

    fn pass_on(&mut self, _: i32) {}
}
