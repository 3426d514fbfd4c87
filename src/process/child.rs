//! A child of this process: waiting for it, sending it signals, and reaping it.
//!
//! # Contract
//! The number of a child means that child until it is reaped, which is done by [`Child::reap`] and nowhere else: tasks wait without
//! reaping (`WNOWAIT`), and who finds that the child has ended reaps it and notes its status. Signals are sent only while
//! no status is noted, so they never reach a process that has the number later; the same holds for its process group,
//! whose number the child holds as its leader. A child that was not reaped when its owner goes is given to the
//! [reaper](super::reaper).

use super::{reaper, running::Processes};
use crate::{
    error::{Error, Result},
    runtime::{Answer, Core, Operation, Payload, Refusal, WaitReason},
    signal::Signal,
};
use anyio_driver::Op;
use libc::{pid_t, siginfo_t};
use std::{cell::Cell, io, mem, process::ExitStatus};

/// A child process that was started here.
#[derive(Debug)]
pub(super) struct Child {
    pid: pid_t,
    /// Whether the child leads a process group of its own.
    leads_group: bool,
    /// Set when the child was reaped.
    status: Cell<Option<ExitStatus>>,
    kill_on_drop: bool,
}

impl Child {
    pub(super) fn new(core: &Core, pid: u32, leads_group: bool, kill_on_drop: bool) -> Self {
        Processes::of(core).add(pid as pid_t);
        Self { pid: pid as pid_t, leads_group, status: Cell::new(None), kill_on_drop }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// The status, if the child was reaped.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.status.get()
    }

    /// Reaps the child if it has ended.
    pub(super) fn reap(&self) -> Result<Option<ExitStatus>> {
        if self.status.get().is_none() {
            self.status.set(reaper::reap(self.pid).map_err(|error| self.error(error))?);
            if self.status.get().is_some() {
                self.forget();
            }
        }
        Ok(self.status.get())
    }

    /// Waits until the child has ended, without reaping it, so that its number stays its own.
    pub(super) async fn wait_without_reaping(&self) -> Result<()> {
        // Somebody else reaps it at the same moment: that is noticed by who then asks for the status.
        let is_gone = |refusal| matches!(refusal, Refusal::System(libc::ECHILD));
        if self.status.get().is_some() {
            return Ok(crate::lowlevel::checkpoint().await?);
        }
        match Operation::new(Wait::new(self.pid)).await {
            Ok(_) => Ok(()),
            Err(refusal) if is_gone(refusal) => Ok(()),
            Err(Refusal::Unsupported) => self.wait_by_descriptor().await,
            Err(refusal) => Err(refusal.on("wait for process", self.pid)),
        }
    }

    /// The same, for drivers that do not know how to wait for processes.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    async fn wait_by_descriptor(&self) -> Result<()> {
        super::watch::ended(self.pid).await
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    async fn wait_by_descriptor(&self) -> Result<()> {
        Err(Error::Unsupported("waiting for processes"))
    }

    /// Waits until the child has ended, and reaps it.
    pub(super) async fn wait(&self) -> Result<ExitStatus> {
        loop {
            self.wait_without_reaping().await?;
            if let Some(status) = self.reap()? {
                return Ok(status);
            }
        }
    }

    /// Sends the child a signal. Does nothing if it was reaped.
    pub(super) fn send_signal(&self, signal: Signal) -> Result<()> {
        self.send(self.pid, signal)
    }

    /// Sends a signal to the child and, if it leads a process group, to all in that. Does nothing if it was reaped.
    pub(super) fn send_signal_to_all(&self, signal: Signal) -> Result<()> {
        self.send(if self.leads_group { -self.pid } else { self.pid }, signal)
    }

    fn send(&self, receiver: pid_t, signal: Signal) -> Result<()> {
        if self.status.get().is_some() {
            return Ok(());
        }
        // SAFETY: the child was not reaped, so the number is that of the child or its group: see the contract.
        if unsafe { libc::kill(receiver, signal.as_raw()) } == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            // It has ended, and with it, some systems say, its group.
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(self.error(error)),
        }
    }

    /// Whether a virtual clock waits for the child's end. It does unless told otherwise.
    #[cfg(feature = "processes")]
    pub(super) fn set_awaited(&self, awaited: bool) {
        self.forget();
        if awaited && self.status.get().is_none() {
            Core::try_with(|core| Processes::of(core).add(self.pid));
        }
    }

    /// Has the run no longer count the child among its own.
    fn forget(&self) {
        Core::try_with(|core| Processes::of(core).remove(self.pid));
    }

    fn error(&self, error: io::Error) -> Error {
        Error::of_operation(error, "process", self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.get().is_some() {
            return;
        }
        self.forget();
        if self.kill_on_drop {
            // It may have ended; those whom it has left in its group are killed all the same.
            if let Err(error) = self.send_signal_to_all(Signal::SIGKILL) {
                log::warn!("a process that was dropped could not be killed: {error}");
            }
        }
        match self.reap() {
            Ok(Some(_)) => {}
            Ok(None) => reaper::adopt(self.pid),
            Err(error) => log::warn!("a process that was dropped could not be waited for: {error}"),
        }
    }
}

/// Waits for a child to end, and leaves it to be reaped.
struct Wait {
    pid: pid_t,
    /// Filled by the kernel; what it says is asked again when the child is reaped.
    info: Box<siginfo_t>,
}

impl Wait {
    fn new(pid: pid_t) -> Self {
        // SAFETY: all zeroes is a valid record, and one of no process.
        Self { pid, info: Box::new(unsafe { mem::zeroed() }) }
    }
}

// SAFETY: the record is the payload's own and lies on the heap.
unsafe impl Payload for Wait {
    const REASON: WaitReason = WaitReason::Process;

    type Output = Answer;

    fn op(&mut self) -> Op {
        Op::WaitProcess { pid: self.pid, info: &mut *self.info, options: libc::WEXITED | libc::WNOWAIT }
    }

    fn finish(self, answer: Answer) -> Answer {
        answer
    }
}
