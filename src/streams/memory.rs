//! Streams of objects between the tasks of one run.
//!
//! A channel holds up to as many items as its capacity says. A capacity of 0 makes each `send` wait until a receiver
//! has taken the item. Each item goes to exactly one receiver; to reach all of them see
//! [`broadcast`](super::broadcast).
//!
//! ```
//! use anyio::{Result, streams::memory, task_group};
//!
//! # anyio::run(async || -> Result<()> {
//! let (sender, receiver) = memory::channel::<u32>(0);
//! task_group(async |tg| -> Result<()> {
//!     tg.start_soon(async move {
//!         for number in 0..3 {
//!             sender.send(number).await?;
//!         }
//!         anyio::Ok(()) // the sender is dropped, which ends the stream
//!     });
//!     let mut sum = 0;
//!     while let Some(number) = receiver.receive().await? {
//!         sum += number;
//!     }
//!     assert_eq!(sum, 3);
//!     Ok(())
//! })
//! .await?;
//! # Ok(()) }).unwrap();
//! ```

mod channel;
mod items;
mod object;
mod receive;
mod send;
mod statistics;

pub use items::Items;
pub use receive::ReceiveStream;
pub use send::{SendStream, TrySendError};
pub use statistics::MemoryStreamStatistics;

use channel::Channel;

/// A channel that holds at most `capacity` items between its two ends. With 0 an item goes straight from a sender to a
/// receiver. With `usize::MAX` sending never waits; see [`unbounded`].
pub fn channel<T>(capacity: usize) -> (SendStream<T>, ReceiveStream<T>) {
    let channel = Channel::new(capacity);
    (SendStream::new(channel.clone()), ReceiveStream::new(channel))
}

/// A channel that holds as many items as fit into memory, so sending never waits. Nothing slows a fast sender down;
/// prefer [`channel`].
pub fn unbounded<T>() -> (SendStream<T>, ReceiveStream<T>) {
    channel(usize::MAX)
}
