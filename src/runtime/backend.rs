//! Which driver runs, and the one name for all of them.

use crate::error::Quoted;
use anyio_driver::{
    BufferId, BufferPool, Call, Capabilities, Chunk, Completion, Driver, DriverStatistics, Op, OpKind, Rest,
    Ruling, Token, Unparker, Wait,
};
use anyio_fallback::PollDriver;
use std::{
    fmt, io,
    os::fd::{OwnedFd, RawFd},
    str::FromStr,
};

#[cfg(not(all(target_os = "linux", feature = "chaos")))]
mod absent;
#[cfg(feature = "chaos")]
mod chaos;
#[cfg(not(feature = "chaos"))]
#[path = "backend/no_chaos.rs"]
mod chaos;
pub(crate) mod choice;
mod options;
pub(crate) mod poll;
mod report;
#[cfg(not(target_os = "linux"))]
#[path = "backend/no_uring.rs"]
pub(crate) mod uring;
#[cfg(target_os = "linux")]
pub(crate) mod uring;

use chaos::ChaosDriver;
pub(crate) use chaos::Disturbance;
pub(crate) use choice::open;
pub(crate) use options::Options;
pub use report::{BackendReport, Feature};
use uring::UringDriver;

/// What does the I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Backend {
    /// io_uring if the host offers all of it that is needed, else polling. Then one line in the log, of level info, says
    /// why: one for a process and not for each run or core, as long as the cause stays the same.
    #[default]
    Auto,
    /// io_uring, or an error that says why not.
    Uring,
    /// Readiness (epoll, kqueue, poll) and worker threads.
    Poll,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Uring => "uring",
            Self::Poll => "poll",
        })
    }
}

impl FromStr for Backend {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "uring" => Ok(Self::Uring),
            "poll" => Ok(Self::Poll),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("no back end is called {:?}; there are auto, uring and poll", Quoted(name)),
            )),
        }
    }
}

/// One of the drivers. An enum and not a type parameter, so that users' types do not carry one.
pub(crate) enum AnyDriver {
    Uring(Box<UringDriver>),
    Poll(Box<PollDriver>),
    Chaos(ChaosDriver),
}

/// Calls the same method of whichever driver it is.
macro_rules! each {
    ($self:ident, $driver:ident => $call:expr) => {
        match $self {
            Self::Uring($driver) => $call,
            Self::Poll($driver) => $call,
            Self::Chaos($driver) => $call,
        }
    };
}

impl AnyDriver {
    /// Which back end this is.
    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Uring(_) => Backend::Uring,
            Self::Poll(_) => Backend::Poll,
            Self::Chaos(driver) => Self::backend_below(driver),
        }
    }

    /// Whether two runs of the same may be answered in different ways.
    pub(crate) fn is_disturbed(&self) -> bool {
        matches!(self, Self::Chaos(_))
    }
}

impl Driver for AnyDriver {
    #[inline(always)]
    unsafe fn submit(&mut self, token: Token, op: Op) {
        // SAFETY: the caller's promise, passed on.
        unsafe { each!(self, driver => driver.submit(token, op)) }
    }

    #[inline]
    unsafe fn submit_for_next_turn(&mut self, token: Token, op: Op) {
        // SAFETY: the caller's promise, passed on.
        unsafe { each!(self, driver => driver.submit_for_next_turn(token, op)) }
    }

    fn end_turn_with_all(&mut self) {
        each!(self, driver => driver.end_turn_with_all());
    }

    #[inline]
    fn take_answer(&mut self, token: Token) -> Option<Completion> {
        each!(self, driver => driver.take_answer(token))
    }

    #[inline]
    fn cancel(&mut self, token: Token) {
        each!(self, driver => driver.cancel(token));
    }

    fn cancel_in_vain(&mut self, token: Token) -> bool {
        each!(self, driver => driver.cancel_in_vain(token))
    }

    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>) {
        each!(self, driver => driver.withdraw(token, completions));
    }

    #[inline]
    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        each!(self, driver => driver.turn(wait, completions))
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        each!(self, driver => driver.event_source())
    }

    #[inline]
    fn rest(&mut self) -> Rest {
        each!(self, driver => driver.rest())
    }

    fn in_flight(&self) -> usize {
        each!(self, driver => driver.in_flight())
    }

    fn unparker(&self) -> Unparker {
        each!(self, driver => driver.unparker())
    }

    #[inline]
    fn take_buffer(&mut self, buffer: BufferId, length: usize) -> Chunk {
        each!(self, driver => driver.take_buffer(buffer, length))
    }

    fn message_pool(&mut self) -> &BufferPool {
        each!(self, driver => driver.message_pool())
    }

    fn message_buffers_in_use(&self) -> usize {
        each!(self, driver => driver.message_buffers_in_use())
    }

    #[inline]
    fn pool(&self) -> &BufferPool {
        each!(self, driver => driver.pool())
    }

    #[inline]
    fn capabilities(&self) -> Capabilities {
        each!(self, driver => driver.capabilities())
    }

    fn forget(&mut self, fd: RawFd) {
        each!(self, driver => driver.forget(fd));
    }

    #[cold]
    fn before_call(&mut self, call: &Call) -> Ruling {
        each!(self, driver => driver.before_call(call))
    }

    fn supports(&self, kind: OpKind) -> bool {
        each!(self, driver => driver.supports(kind))
    }

    fn statistics(&self) -> DriverStatistics {
        each!(self, driver => driver.statistics())
    }
}
