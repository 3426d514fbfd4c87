//! A process that was started.

use super::{ChildStderr, ChildStdin, ChildStdout, child::Child, command::Ending};
use crate::{
    error::{Result, TimedOut},
    scope::{move_on_after, shield},
    signal::Signal,
};
use std::{process::ExitStatus, time::Duration};

/// How long a killed process may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A process that was started by [`Command::spawn`](super::Command::spawn) or [`open`](super::open()).
///
/// Dropping it closes its streams and, if the process has not ended, kills it with all that is in its process group, unless
/// [`kill_on_drop`](super::Command::kill_on_drop) says otherwise. Nothing waits for the end then; a thread of the process,
/// which exists only as long as it is needed, reaps it. Ways to leave a process that give it time to end are
/// [`close`](Self::close), [`stop`](Self::stop) and [`with`](super::with()).
#[derive(Debug)]
pub struct Process {
    /// What the process reads, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The process's standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The process's standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    pub(super) child: Child,
    pub(super) ending: Ending,
}

impl Process {
    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits until the process has ended. The streams do not matter for that: others may still have them open, and a
    /// process that waits for input waits for ever if nobody closes its [`stdin`](Self::stdin). Any number of tasks may
    /// wait, and wait again.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled. [`Error::Io`](crate::Error::Io) if other code of this process has taken the status away
    /// (by waiting for any child, or by ignoring `SIGCHLD`).
    ///
    /// # Cancel safety
    /// The status is not lost; the next call gives it.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.child.wait().await
    }

    /// The status if the process has ended, without waiting.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if other code of this process has taken the status away.
    pub fn try_wait(&self) -> Result<Option<ExitStatus>> {
        self.child.reap()
    }

    /// How the process has ended: its exit code, or the negative number of the signal that killed it. `None` until it has
    /// (or if its status was taken away).
    pub fn returncode(&self) -> Option<i32> {
        self.try_wait().ok().flatten().map(crate::system::completed::returncode)
    }

    /// Asks the process to end, by `SIGTERM`. Does nothing if it has ended.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if this process may not do that.
    pub fn terminate(&self) -> Result<()> {
        self.send_signal(Signal::SIGTERM)
    }

    /// Kills the process, by `SIGKILL`. Does nothing if it has ended.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if this process may not do that.
    pub fn kill(&self) -> Result<()> {
        self.send_signal(Signal::SIGKILL)
    }

    /// Sends the process a signal. Does nothing if it has ended; in no case another process gets it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if this process may not do that.
    pub fn send_signal(&self, signal: Signal) -> Result<()> {
        self.child.send_signal(signal)
    }

    /// Sends a signal to the process and, if it leads a process group, to all in that, also when the process itself has
    /// ended but was not waited for. See [`Command`](super::Command) for when it does.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if this process may not do that.
    pub fn send_signal_to_group(&self, signal: Signal) -> Result<()> {
        self.child.send_signal_to_all(signal)
    }

    /// Closes the streams and waits until the process has ended by itself, as most do when their input ends.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait). If that fails, or the scope is cancelled, the process is [stopped](Self::stop).
    ///
    /// # Cancel safety
    /// When the scope is cancelled the process has ended before the cancellation goes on. When the future is dropped the
    /// process is dropped with it.
    pub async fn close(mut self) -> Result<ExitStatus> {
        self.close_streams().await;
        match self.wait().await {
            Ok(status) => Ok(status),
            Err(error) => {
                self.stop().await?;
                Err(error)
            }
        }
    }

    /// Ends the process and waits until it has: closes the streams, sends the signal that
    /// [`ending`](super::Command::ending) says (`SIGTERM`) to the process and its group, and when it has not ended after the
    /// time that it says there (five seconds), or as soon as it has ended, kills all that is left of the group.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the killed process is not gone after five seconds more, which happens when the kernel waits for
    /// a device. It will be reaped in the background. [`Error::Io`](crate::Error::Io) as for [`wait`](Self::wait) and
    /// [`kill`](Self::kill).
    ///
    /// # Cancel safety
    /// It takes place in a cancelled scope, too. When the future is dropped the process is only killed when that is.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        shield(self.stop_shielded()).await
    }

    async fn stop_shielded(&mut self) -> Result<ExitStatus> {
        self.close_streams().await;
        if let Some(status) = self.child.status() {
            return Ok(status);
        }
        let Ending { signal, grace } = self.ending;
        if !grace.is_zero() {
            self.child.send_signal_to_all(signal)?;
            move_on_after(grace, self.child.wait_without_reaping()).await?;
        }
        // As long as the process is not reaped its group is its own, also when it has ended.
        self.child.send_signal_to_all(Signal::SIGKILL)?;
        match move_on_after(KILL_LIMIT, self.child.wait()).await? {
            Some(status) => Ok(status),
            None => Err(TimedOut::because("the end of a process that was killed").into()),
        }
    }

    /// Waits until the process has ended, and leaves it to be reaped.
    #[cfg(feature = "processes")]
    pub(crate) async fn wait_without_reaping(&self) -> Result<()> {
        self.child.wait_without_reaping().await
    }

    /// Whether a virtual clock waits for the end of this process: not as long as it waits for this one.
    #[cfg(feature = "processes")]
    pub(crate) fn set_awaited(&self, awaited: bool) {
        self.child.set_awaited(awaited);
    }

    async fn close_streams(&mut self) {
        shield(async {
            // What was written and not read is of no interest any more, so neither is how closing went.
            if let Some(stdin) = self.stdin.take() {
                let _ = stdin.close().await;
            }
            if let Some(stdout) = self.stdout.take() {
                let _ = stdout.close().await;
            }
            if let Some(stderr) = self.stderr.take() {
                let _ = stderr.close().await;
            }
        })
        .await;
    }
}
