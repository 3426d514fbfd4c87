//! Functions called in worker processes: for what computes for long and may crash, leak, or have to be stopped half-way.
//!
//! [`run_sync`] has a plain function called in another process, which is this program started once more. Nothing has to be
//! registered: arguments and results travel by [serde](https://serde.rs), and the function is named by where it is in the
//! program. What is needed is that the program knows that it may be a worker, before it does anything else: one that begins
//! with `#[anyio::main]` does, and so do tests with `#[anyio::test]`; any other calls [`serve`] first in `main`.
//!
//! ```
//! use anyio::{Result, to_process};
//!
//! fn count_primes(below: u32) -> usize {
//!     (2..below).filter(|number| (2..*number).all(|divisor| number % divisor != 0)).count()
//! }
//!
//! #[anyio::main]
//! async fn main() -> Result<()> {
//!     assert_eq!(to_process::run_sync(count_primes, 100).await?, 25);
//!     // More arguments than one travel as a tuple.
//!     let sum = to_process::run_sync(|(a, b): (u32, u32)| a + b, (3, 4)).await?;
//!     assert_eq!(sum, 7);
//!     Ok(())
//! }
//! ```
//!
//! # Workers
//! Each run has workers of its own, started when they are needed and as many as its limiter allows (one for each processor,
//! [`current_default_process_limiter`]). A worker that has become idle is used again, the last one first; what a function
//! leaves in its process (global variables, memory that leaked, threads) is there when the next is called. Workers that are
//! idle for [long](set_idle_limit) end, and all do with the run, with everything they have started and left in their process
//! group. They end, too, if this process dies.
//!
//! A worker reads nothing from standard input, and what it writes to standard output is lost; its standard error is that of
//! this process. It leads a process group of its own, so that a Ctrl-C is this process's to handle.
//!
//! # Another program
//! A [`WorkerProgram`] has functions called by their names in another program, which offers them by [`Functions`].

mod call;
mod entry;
mod functions;
mod image;
mod pool;
mod program;
mod protocol;
mod serving;
mod worker;
mod worker_program;

pub use crate::system::broken_worker::BrokenWorkerProcess;
pub use call::{RunSync, run_sync};
pub(crate) use entry::serve_in_test;
pub use functions::{Functions, serve};
pub use pool::{current_default_process_limiter, set_default_process_limiter, set_idle_limit};
pub use worker_program::WorkerProgram;
