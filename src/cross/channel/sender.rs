//! The sending end.

use super::{
    Channel, CrossChannelStatistics,
    handle::{Closing, Handle},
};
use crate::{
    cross::sleepers::Sleeper,
    error::{Error, Result},
    runtime::WaitReason,
    scope::foreign_for,
    streams::{Attributes, ObjectSendStream, memory::TrySendError},
};
use std::{collections::VecDeque, future::poll_fn, sync::Arc};

/// Sends into a channel between threads. The stream ends for the receivers when all senders are closed, which dropping
/// them does.
#[derive(Debug)]
pub struct CrossSender<T> {
    channel: Arc<Channel<T>>,
    handle: Handle,
}

impl<T> CrossSender<T> {
    pub(super) fn new(channel: Arc<Channel<T>>) -> Self {
        Self { channel, handle: Handle::default() }
    }

    /// Closes this sender. Tasks on any thread that wait in `send` on it get [`Error::ClosedResource`]. Does nothing the
    /// second time.
    pub fn close(&self) {
        match self.handle.close() {
            Closing::Already => {}
            Closing::InUse => self.channel.sending.wake_all(),
            Closing::Ended => {
                self.channel.close_sender();
                self.channel.sending.wake_all();
            }
        }
    }

    /// Whether this sender is closed.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// How the channel stands.
    pub fn statistics(&self) -> CrossChannelStatistics {
        self.channel.statistics()
    }

    /// Puts items into the queue as long as there is room, then wakes as many receivers. The item that was refused goes
    /// back with the reason.
    fn send_now(&self, mut items: impl Iterator<Item = T>) -> Result<(), (Option<T>, Error)> {
        if !self.handle.enter() {
            return Err((items.next(), Error::ClosedResource));
        }
        let mut sent = 0;
        let result = items.try_for_each(|item| {
            self.channel.push(item).map(|()| sent += 1).map_err(|(item, error)| (Some(item), error))
        });
        self.channel.receiving.wake(sent);
        if self.handle.leave() {
            self.channel.close_sender();
        }
        result
    }
}

impl<T: Send> CrossSender<T> {
    /// Sends an item; waits while the channel is full.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if all receivers are closed, [`Error::ClosedResource`] if this sender is, also while the
    /// call waits, [`Error::Cancelled`] if the scope is cancelled. The item is dropped then.
    ///
    /// # Cancel safety
    /// A call that is cancelled or dropped has not sent the item.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn send(&self, item: T) -> Result<()> {
        let mut item = Some(item);
        let mut sleeper = Sleeper::new(&self.channel.sending);
        let sent = poll_fn(|cx| {
            sleeper.poll(cx, || match self.send_now(item.take().into_iter()) {
                Err((refused, Error::WouldBlock)) => {
                    item = refused;
                    None
                }
                sent => Some(sent.map_err(|(_, error)| error)),
            })
        });
        foreign_for(WaitReason::OtherThread, sent).await?
    }

    /// Sends items, the first of the queue first, until it is empty; waits while the channel is full. It costs less than
    /// sending them one by one: receivers are woken once for all that there is room for.
    ///
    /// # Errors
    /// As for [`send`](Self::send). What was not sent is still in the queue.
    ///
    /// # Cancel safety
    /// What is left in the queue was not sent, and everything else was, whether the scope is cancelled or the future
    /// dropped.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn send_batch(&self, items: &mut VecDeque<T>) -> Result<()> {
        let mut sleeper = Sleeper::new(&self.channel.sending);
        let sent = poll_fn(|cx| {
            sleeper.poll(cx, || {
                let result = self.send_now(std::iter::from_fn(|| items.pop_front()));
                let (refused, error) = match result {
                    Ok(()) => return Some(Ok(())),
                    Err(refusal) => refusal,
                };
                if let Some(item) = refused {
                    items.push_front(item);
                }
                if let Error::WouldBlock = error { None } else { Some(Err(error)) }
            })
        });
        foreign_for(WaitReason::OtherThread, sent).await?
    }

    /// Sends an item if there is room, on any thread.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::BrokenResource`] if all receivers are closed,
    /// [`Error::ClosedResource`] if this sender is. The item comes back in the error.
    pub fn send_nowait(&self, item: T) -> Result<(), TrySendError<T>> {
        self.send_now(std::iter::once(item)).map_err(|(item, error)| TrySendError {
            item: item.expect("what was not sent comes back"),
            error,
        })
    }
}

impl<T> Clone for CrossSender<T> {
    /// Another sender into the same channel. The clone of a closed one is closed.
    fn clone(&self) -> Self {
        // As long as this call is under way the channel cannot end.
        if !self.handle.enter() {
            return Self { channel: self.channel.clone(), handle: Handle::closed() };
        }
        self.channel.open_sender();
        if self.handle.leave() {
            self.channel.close_sender();
        }
        Self::new(self.channel.clone())
    }
}

impl<T> Drop for CrossSender<T> {
    fn drop(&mut self) {
        // Nobody waits on it any more.
        if self.handle.close() == Closing::Ended {
            self.channel.close_sender();
        }
    }
}

impl<T: Send> ObjectSendStream<T> for CrossSender<T> {
    async fn send(&mut self, item: T) -> Result<()> {
        CrossSender::send(self, item).await
    }

    fn send_nowait(&mut self, item: T) -> Result<(), (Error, T)> {
        CrossSender::send_nowait(self, item).map_err(|refused| (refused.error, refused.item))
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.close();
        Ok(())
    }
}

impl<T> Attributes for CrossSender<T> {}
