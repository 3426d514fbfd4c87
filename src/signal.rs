//! Signals of the operating system.
//!
//! [`receiver`] opens a stream of signals. While any receiver of a signal is open, in whichever thread or run, the
//! signal does nothing else; when the last goes, it does again what it did before.
//!
//! [`run`](crate::run) deals with the first `SIGINT` (Ctrl-C) by cancelling its main task:
//! see [`Builder::interrupt`](crate::Builder::interrupt).

mod choice;
mod dispatch;
mod handler;
mod interrupt;
mod listener;
mod received;
mod receiver;

pub use crate::system::signal::Signal;
pub use receiver::{SignalReceiver, receiver};

pub use choice::Interrupt;
pub(crate) use interrupt::InterruptHandling;
