//! A driver that lies: between the runtime and any other driver it does, by a seed, all that an operating system may do.
//!
//! Operations transfer less than they were asked for, are interrupted, end late and in another order, run out of buffers;
//! cancellations come too late or take their time; connections are reset, and any operation can fail. All of it is within
//! the contract of [`anyio_driver`], so a right program never hangs and never loses anything, and what
//! [`Fault::is_noticed`] is not true of it does not even notice.
//!
//! Nothing that the driver below has done is undone: an operation is shortened or refused before it is submitted, never
//! its result afterwards. So no byte and no descriptor is lost here.
//!
//! What is done to an operation depends on the seed, its kind, and its number among the operations of its kind, and on
//! nothing else. So each [`Decision`] has a name, and a run can be had again with some decisions only.
//!
//! Users of anyio do not need this crate; it is `anyio::testing::chaos`.

mod chaos;
mod course;
mod decision;
mod dice;
mod driver;
mod errors;
mod fault;
mod held;
mod report;
mod reset;
mod shortening;
mod shrinking;
#[cfg(test)]
mod tests;

pub use chaos::{Action, Chaos, Submission};
pub use decision::{Decision, UnknownDecision};
pub use driver::ChaosDriver;
pub use fault::Fault;
pub use report::{Missed, Report};
pub use shrinking::shrink;
