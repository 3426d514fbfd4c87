//! A driver that lies: between the runtime and any other driver it does, by a seed, all that an operating system may do.
//!
//! Operations transfer less than they were asked for, are interrupted, end late and in another order, run out of buffers;
//! cancellations come too late or take their time; connections are reset, and any operation can fail. All of it is within
//! the contract of [`anyio_driver`], so a right program never hangs and never loses anything, and what
//! [`Fault::is_noticed`] is not true of it does not even notice.
//!
//! What does not wait the runtime asks the system itself, and this driver of each such call beforehand: it is refused,
//! interrupted, would have to wait, transfers less, or fails after all when it closes something.
//!
//! Nothing that the driver below has done is undone: an operation is shortened or refused before it is submitted, never
//! its result afterwards. So no byte and no descriptor is lost here.
//!
//! What is done to an operation or a call depends on the seed, its kind, and its number among those of its kind, and on
//! nothing else. So each [`Decision`] has a name, and a run can be had again with some decisions only.
//!
//! Users of anyio do not need this crate; it is `anyio::testing::chaos`.

mod calls;
mod chaos;
mod course;
mod decision;
mod dice;
mod driver;
mod errors;
mod fault;
mod held;
mod kind;
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
pub use kind::Kind;
pub use report::{Missed, Report};
pub use shrinking::shrink;
