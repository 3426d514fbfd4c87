//! Turns of an executor whose clock is virtual. What the rules are is said in [`Clock::Virtual`](crate::Clock::Virtual).

use super::{Core, Waiting, deadlock::Deadlock, task_info::TaskInfo, wait_reason::WaitReason};
use anyio_driver::{Driver, Wait};
use std::{
    io,
    time::{Duration, Instant},
};

/// How often to look whether that has ended of whose end nothing may tell.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// What may come from outside of the run for a task that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Nothing.
    Silent,
    /// Something, or nothing for ever.
    MayAnswer,
    /// Something, at some time.
    WillAnswer,
}

impl Core {
    /// Asks the kernel for news; if there is none and no task can go on, waits for some as long as that makes sense, and
    /// then lets time pass.
    ///
    /// # Errors
    /// If the driver is beyond use, or with a [`Deadlock`].
    pub(super) async fn turn_virtually(&self, waiting: &mut impl Waiting) -> io::Result<()> {
        let watched = !self.idle().is_empty();
        if waiting.turn(self, Wait::No, watched).await? || watched || self.has_work() {
            return Ok(());
        }
        let now = self.now();
        let outside = match self.outside() {
            Outside::Silent if !waiting.is_alone() => Outside::MayAnswer,
            outside => outside,
        };
        let timer = self.waits().earliest_timer().map(|due| self.clock().wake_up_for(due));
        let begin = self.driver().kept_back().and_then(|time| now.checked_add(time));
        let Some(moment) = [timer, begin].into_iter().flatten().min() else {
            return self.wait_without_timers(waiting, outside).await;
        };
        let jump = moment.saturating_duration_since(now);
        let held = match outside {
            Outside::Silent => Duration::ZERO,
            Outside::MayAnswer => self.clock().autojump_threshold.min(jump),
            Outside::WillAnswer => jump,
        };
        if !self.comes_within(waiting, held).await? {
            // What was waited for until then is woken in the next turn.
            self.clock().jump(moment);
            self.driver_mut().note_time(jump);
        }
        Ok(())
    }

    #[cold]
    async fn wait_without_timers(&self, waiting: &mut impl Waiting, outside: Outside) -> io::Result<()> {
        if outside == Outside::WillAnswer || self.companions().are_listening() {
            return self.comes_within(waiting, Duration::MAX).await.map(drop);
        }
        let tasks = TaskInfo::of_all(self);
        let from_outside =
            tasks.iter().flat_map(|task| &task.waits).copied().any(WaitReason::may_end_from_outside);
        let reachable = self.clock().is_reachable() || self.has_remote_scopes() || !waiting.is_alone();
        let certain = !from_outside && !reachable;
        if !certain && self.comes_within(waiting, self.clock().deadlock_timeout).await? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::Deadlock, Deadlock::new(tasks, certain)))
    }

    /// Waits until something comes from outside, or the last of what companions await has ended. False if it has not within so much
    /// real time.
    async fn comes_within(&self, waiting: &mut impl Waiting, limit: Duration) -> io::Result<bool> {
        if limit.is_zero() {
            return Ok(false);
        }
        let end = Instant::now().checked_add(limit);
        let with_ends = self.companions().await_an_end();
        loop {
            let look = with_ends.then(|| Instant::now() + LOOK_INTERVAL);
            let until = [end, look].into_iter().flatten().min();
            let wait = until.map_or(Wait::Forever, Wait::Until);
            if waiting.turn(self, wait, false).await? || self.has_work() {
                return Ok(true);
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(false);
            }
            if with_ends && !self.companions().await_an_end() {
                return Ok(true);
            }
        }
    }

    fn outside(&self) -> Outside {
        if self.clock().has_jobs() || self.companions().await_an_end() {
            return Outside::WillAnswer;
        }
        if self.driver().in_flight() == 0 {
            return Outside::Silent;
        }
        self.waits().outside(&self.driver())
    }
}
