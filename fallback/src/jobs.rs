//! Operations on files and paths done by threads, for a driver whose kernel lacks them.
//!
//! # Contract
//! That of the operations is kept by [`blocking`](crate::blocking).

use crate::{
    blocking, fork,
    opening::brings_descriptor,
    outcomes::{Outcomes, Wake},
};
use anyio_driver::{
    Completion, CompletionFlags, Op, OpKind, Token, Unparker,
    workers::{JobHandle, WorkerPool},
};
use std::{
    fmt,
    num::NonZeroUsize,
    os::fd::{FromRawFd, OwnedFd},
    sync::Arc,
};

/// What stands in for operations that a kernel lacks: the threads with which a [`PollDriver`](crate::PollDriver) does them.
///
/// It is a part of a driver and keeps a driver's rules. Its owner hands out what it [collects](Self::collect) in each turn,
/// which the unparker ends when there is something.
///
/// Dropping it while operations are in flight leaves those that threads have begun running, as with a driver.
pub struct Jobs {
    threads: WorkerPool,
    outcomes: Arc<Outcomes>,
    running: Vec<Running>,
    results: Vec<(Token, i32)>,
    /// Completions that were made here.
    done: Vec<Completion>,
    count: u64,
    fork: u32,
}

struct Running {
    token: Token,
    opens: bool,
    handle: JobHandle,
}

impl Jobs {
    /// Threads that wake this driver: so many of its own, or those that all drivers of the process share.
    pub fn new(threads: Option<NonZeroUsize>, driver: Unparker) -> Self {
        Self {
            threads: threads.map_or_else(|| blocking::shared_pool().clone(), WorkerPool::new),
            outcomes: Arc::new(Outcomes::new(Wake::Driver(driver))),
            running: Vec::new(),
            results: Vec::new(),
            done: Vec::new(),
            count: 0,
            fork: fork::generation(),
        }
    }

    /// Whether threads can do operations of this kind: those on files and paths that end by themselves. What waits for
    /// others would keep its thread for any length of time.
    pub const fn can_do(kind: OpKind) -> bool {
        matches!(kind, OpKind::Shutdown) || kind.is_on_files()
    }

    /// Takes an operation of a kind that it [can do](Self::can_do).
    ///
    /// # Safety
    /// That of [`Driver::submit`](anyio_driver::Driver::submit).
    pub unsafe fn submit(&mut self, token: Token, op: Op) {
        debug_assert!(Self::can_do(op.kind()));
        if let Op::Shutdown { fd, how } = op {
            return self.done.push(Completion::new(token, blocking::shutdown(fd, how)));
        }
        self.count += 1;
        // SAFETY: the caller's promise.
        match unsafe { blocking::start(&self.threads, &self.outcomes, token, op) } {
            Ok(handle) => self.running.push(Running { token, opens: brings_descriptor(&op), handle }),
            Err(refused) => {
                let number = refused.error.raw_os_error().unwrap_or(libc::EAGAIN);
                self.done.push(Completion::new(token, -number));
            }
        }
    }

    /// Takes back an operation that no thread has begun; one that a thread works on is left to finish.
    pub fn cancel(&mut self, token: Token) {
        let Some(place) = self.running.iter().position(|running| running.token == token) else { return };
        if self.running[place].handle.take_back().is_some() {
            self.running.swap_remove(place);
            self.done.push(Completion::new(token, -libc::ECANCELED));
        }
    }

    /// Takes the completion of one operation, if there is one.
    pub fn take(&mut self, token: Token) -> Option<Completion> {
        self.gather();
        let place = self.done.iter().position(|done| done.token == token)?;
        Some(self.done.remove(place))
    }

    /// Whether there are completions to collect.
    pub fn have_answers(&self) -> bool {
        !self.done.is_empty()
    }

    /// Appends the completions there are.
    pub fn collect(&mut self, completions: &mut Vec<Completion>) {
        self.outcomes.heard();
        self.gather();
        completions.append(&mut self.done);
    }

    fn gather(&mut self) {
        self.outcomes.collect(&mut self.results);
        for (token, result) in self.results.drain(..) {
            let Some(place) = self.running.iter().position(|running| running.token == token) else {
                continue;
            };
            let running = self.running.swap_remove(place);
            let opened = running.opens && result >= 0;
            let flags = if opened { CompletionFlags::DESCRIPTOR } else { CompletionFlags::empty() };
            self.done.push(Completion { flags, ..Completion::new(token, result) });
        }
    }

    /// How many operations threads were given so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many operations have no completion yet that was collected.
    pub fn in_flight(&self) -> usize {
        self.running.len() + self.done.len()
    }
}

impl Drop for Jobs {
    /// Closes the descriptors that were opened and that nobody has taken.
    fn drop(&mut self) {
        if self.fork != fork::current() {
            return;
        }
        self.results.append(&mut self.outcomes.end());
        self.gather();
        for descriptor in self.done.iter().filter_map(Completion::brought) {
            // SAFETY: it was opened for an operation whose completion nobody has seen, and nobody will.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
