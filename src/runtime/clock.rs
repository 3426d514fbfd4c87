//! The clock of a run: the one place where anyio reads the time by which its programs sleep.

use super::{Core, RunId};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// By which clock a run sleeps and counts its deadlines. See [`Builder::clock`](crate::Builder::clock).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The operating system's monotonic clock.
    #[default]
    Monotonic,
    /// One that stands still while the program does anything, and jumps to the next moment somebody waits for when nothing
    /// can be done before it. For tests: sleeping costs no time, and how long something takes is exact.
    ///
    /// **What is on this clock:** [`current_time`](crate::current_time), [`sleep`](crate::sleep()) and its like, the
    /// deadlines of scopes, [`move_on_after`](crate::move_on_after), [`fail_after`](crate::fail_after) and their like, and
    /// with them everything in anyio that waits for a time, such as [`Process::stop`](crate::process::Process::stop). The
    /// moments are ordinary [`Instant`]s: the clock begins at that of the run's beginning.
    ///
    /// **What is not:** [`Instant::now`] and [`SystemTime`](std::time::SystemTime), so compare with `current_time` instead;
    /// time limits that the kernel keeps, such as those of TCP; other threads and processes; other runs, also the other
    /// cores of [`run_on_cores`](crate::run_on_cores()), each of which has a virtual clock of its own.
    ///
    /// **When it jumps:** when no task can go on, the kernel has been asked without waiting and has no news, and those who
    /// wait for that ([`wait_all_tasks_blocked`](crate::testing::wait_all_tasks_blocked)) have been told. What may come from
    /// outside holds the jump back, for so much real time:
    ///
    /// | some task waits for | real time before the jump |
    /// | --- | --- |
    /// | nothing but other tasks, and times | none |
    /// | sockets and pipes: accepting, connecting, receiving, sending | [`autojump_threshold`](crate::Builder::autojump_threshold), 10 ms unless set otherwise |
    /// | files, functions in [worker threads](crate::to_thread), the end of a cancelled operation | all that the jump passes over |
    ///
    /// The last also holds while a child process runs. In no case it is longer than the jump itself, so nothing takes longer
    /// than it would on the real clock; and when something comes from outside, virtual time has not passed. A receive in
    /// flight for which no task waits, which streams keep when a `receive` was cancelled, holds nothing back. What threads
    /// do that anyio has not started is not seen.
    ///
    /// **When nothing will ever happen** because all tasks wait for each other the run ends with a
    /// [`Deadlock`](crate::testing::Deadlock).
    Virtual,
}

/// How time goes in one run.
#[derive(Debug)]
pub(crate) struct RunClock {
    /// The moment it is on the virtual clock; `None` on the real one.
    at: Cell<Option<Instant>>,
    pub(super) autojump_threshold: Duration,
    /// So much later than the first timer is due the run may wake up for it.
    timer_slack: Duration,
    pub(super) deadlock_timeout: Duration,
    /// How many jobs in worker threads are waited for, and how many go on although nobody waits.
    jobs: Cell<usize>,
    abandoned_jobs: Cell<usize>,
    /// Whether something was given out by which other threads can reach the run at any time.
    reachable: Cell<bool>,
}

impl RunClock {
    pub(crate) fn new(
        clock: Clock,
        autojump_threshold: Duration,
        deadlock_timeout: Duration,
        timer_slack: Duration,
    ) -> Self {
        let at = match clock {
            Clock::Monotonic => None,
            Clock::Virtual => Some(Instant::now()),
        };
        Self {
            at: Cell::new(at),
            autojump_threshold,
            deadlock_timeout,
            timer_slack,
            jobs: Cell::new(0),
            abandoned_jobs: Cell::new(0),
            reachable: Cell::new(false),
        }
    }

    #[inline]
    pub(super) fn now(&self) -> Instant {
        match self.at.get() {
            None => Instant::now(),
            Some(at) => at,
        }
    }

    /// When to wake up for a timer that is due at this moment.
    #[inline]
    pub(super) fn wake_up_for(&self, due: Instant) -> Instant {
        due.checked_add(self.timer_slack).unwrap_or(due)
    }

    #[inline]
    pub(crate) fn is_virtual(&self) -> bool {
        self.at.get().is_some()
    }

    /// Makes it this moment, which is not earlier than now.
    pub(super) fn jump(&self, to: Instant) {
        self.at.set(Some(to));
    }

    /// Whether a worker thread does something for which a task waits.
    pub(super) fn has_jobs(&self) -> bool {
        self.jobs.get() > 0
    }

    /// Whether another thread may wake a task of the run although none is seen to wait for that.
    pub(super) fn is_reachable(&self) -> bool {
        self.reachable.get() || self.abandoned_jobs.get() > 0
    }

    /// Notes that other threads can reach the run from now on.
    pub(crate) fn set_reachable(&self) {
        self.reachable.set(true);
    }

    fn count(&self, kind: JobKind) -> &Cell<usize> {
        match kind {
            JobKind::Awaited => &self.jobs,
            JobKind::Abandoned => &self.abandoned_jobs,
        }
    }
}

/// Whether a task waits for what a worker thread does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JobKind {
    Awaited,
    Abandoned,
}

/// What a worker thread does for a run, until this is dropped.
#[derive(Debug)]
pub(crate) struct JobUnderWay {
    run: RunId,
    kind: JobKind,
}

impl JobUnderWay {
    pub(crate) fn new(core: &Core, kind: JobKind) -> Self {
        let count = core.clock().count(kind);
        count.set(count.get() + 1);
        Self { run: core.run(), kind }
    }
}

impl Drop for JobUnderWay {
    fn drop(&mut self) {
        Core::try_with(|core| {
            if core.run() == self.run {
                let count = core.clock().count(self.kind);
                count.set(count.get() - 1);
            }
        });
    }
}

/// The time on the clock of this thread's run, or outside of one on the real clock.
pub(crate) fn now() -> Instant {
    Core::try_with(Core::now).unwrap_or_else(Instant::now)
}
