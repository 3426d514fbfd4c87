//! Objects from any thread to any thread.

mod handle;
mod receiver;
mod sender;
mod statistics;

pub use receiver::CrossReceiver;
pub use sender::CrossSender;
pub use statistics::CrossChannelStatistics;

use super::sleepers::Sleepers;
use crate::error::Error;
use crossbeam_queue::ArrayQueue;
use std::{
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
/// If the capacity is 0, or more items than fit into memory: their places are made at once.
pub fn channel<T: Send>(capacity: usize) -> (CrossSender<T>, CrossReceiver<T>) {
    let channel = Arc::new(Channel {
        queue: ArrayQueue::new(capacity),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        sending: Sleepers::new(),
        receiving: Sleepers::new(),
    });
    (CrossSender::new(channel.clone()), CrossReceiver::new(channel))
}

#[derive(Debug)]
struct Channel<T> {
    queue: ArrayQueue<T>,
    /// How many handles of each end are open.
    senders: AtomicUsize,
    receivers: AtomicUsize,
    sending: Sleepers,
    receiving: Sleepers,
}

impl<T> Channel<T> {
    /// Takes up to `max_items` items, and tells how many. `Some(0)` is the end.
    fn receive_now(&self, max_items: usize, mut take: impl FnMut(T)) -> Option<usize> {
        let mut pop = || std::iter::from_fn(|| self.queue.pop()).take(max_items).map(&mut take).count();
        let mut count = pop();
        if count == 0 {
            if self.senders.load(Ordering::SeqCst) > 0 {
                return None;
            }
            // The last sender may have sent just before it went.
            count = pop();
        }
        self.sending.wake(count);
        Some(count)
    }

    /// Puts an item into the queue. The caller wakes receivers afterwards.
    fn push(&self, item: T) -> Result<(), (T, Error)> {
        if self.receivers.load(Ordering::SeqCst) == 0 {
            let cause = io::Error::new(io::ErrorKind::BrokenPipe, "all receivers are gone");
            return Err((item, Error::BrokenResource(cause)));
        }
        self.queue.push(item).map_err(|item| (item, Error::WouldBlock))
    }

    fn open_sender(&self) {
        self.senders.fetch_add(1, Ordering::SeqCst);
    }

    fn close_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.receiving.wake_all();
        }
    }

    /// False if the channel has no receiver any more.
    fn open_receiver(&self) -> bool {
        let opened = |count| (count > 0).then_some(count + 1);
        self.receivers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, opened).is_ok()
    }

    fn close_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.sending.wake_all();
            // Nobody can receive these any more. One that is being sent now goes with the channel.
            while self.queue.pop().is_some() {}
        }
    }

    fn statistics(&self) -> CrossChannelStatistics {
        CrossChannelStatistics {
            current_buffer_used: self.queue.len(),
            max_buffer_size: self.queue.capacity(),
            open_senders: self.senders.load(Ordering::SeqCst),
            open_receivers: self.receivers.load(Ordering::SeqCst),
            tasks_waiting_send: self.sending.len(),
            tasks_waiting_receive: self.receiving.len(),
        }
    }
}
