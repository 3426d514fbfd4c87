//! Other processes: started, talked to, waited for, and never left behind.
//!
//! [`run`](run()) runs a process to its end and gives what it wrote; [`open`](open()) and [`with`](with()) are for talking
//! to one while it runs; [`Command`] has the options, under the names of [`std::process::Command`].
//!
//! A process that runs in a cancelled scope is asked to end, killed if it does not, and reaped, before the cancellation goes
//! on. What it has started itself shares that fate, since it leads a process group.

mod child;
mod command;
mod handle;
mod reaper;
mod run;
mod running;
mod spawn;
mod stdio;
mod streams;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod watch;

pub use crate::system::broken_worker::BrokenWorkerProcess;
pub use crate::system::completed::{CompletedProcess, ProcessFailed};
pub use command::{Command, IntoCommand};
pub use handle::Process;
pub use run::{open, run, with};
pub use std::process::{ExitStatus, Output};
pub use stdio::Stdio;
pub use streams::{ChildStderr, ChildStdin, ChildStdout};
