//! Means for tasks on different cores and threads to talk to each other.
//!
//! Everything here may be shared between threads. To wait one needs a run on the own thread; what does not wait works on
//! any thread. Waking a task on a core that is awake costs no system call.
//!
//! ```
//! use anyio::{Result, cross};
//!
//! let (sender, receiver) = cross::channel::<u32>(16);
//! let thread = std::thread::spawn(move || {
//!     anyio::run(async || -> Result<u32> {
//!         let mut sum = 0;
//!         while let Some(number) = receiver.receive().await? {
//!             sum += number;
//!         }
//!         Ok(sum)
//!     })
//! });
//! anyio::run(async || -> Result<()> {
//!     for number in 0..100 {
//!         sender.send(number).await?;
//!     }
//!     drop(sender);
//!     Ok(())
//! })?;
//! assert_eq!(thread.join().unwrap()?, 4950);
//! # anyio::Ok(())
//! ```

mod channel;
mod event;
mod notifier;
mod sleepers;

pub use channel::{CrossChannelStatistics, CrossReceiver, CrossSender, channel};
pub use event::Event;
pub use notifier::{Notifier, NotifierStatistics};
