//! Operations that are slow: they are kept here until their time has come, and only then submitted below.

use super::{ChaosDriver, Stage};
use crate::held::Held;
use anyio_driver::{Completion, Driver, Op, Token, Wait};
use std::time::{Duration, Instant};

impl<D: Driver> ChaosDriver<D> {
    /// The same where time is that of a virtual clock, which passes by [`note_time`](Self::note_time).
    #[must_use]
    pub fn on_virtual_clock(mut self) -> Self {
        self.begun = None;
        self
    }

    /// The time on the clock of the run, from its beginning on.
    pub(super) fn now(&self) -> Duration {
        self.begun.map_or(self.time, |begun| begun.elapsed())
    }

    /// How much later, on the clock of the run, the next slow operation is to be begun.
    pub fn kept_back(&self) -> Option<Duration> {
        self.earliest_slow().map(|until| until.saturating_sub(self.now()))
    }

    /// At what time on that clock.
    pub(super) fn earliest_slow(&self) -> Option<Duration> {
        if self.slow == 0 {
            return None;
        }
        let times = self.flights.iter().flatten().filter_map(|flight| match flight.stage {
            Stage::Slow(_, until) => Some(until),
            _ => None,
        });
        times.min()
    }

    /// Whether an operation is slow and not begun yet, so that nothing but time brings its end nearer.
    pub fn keeps_back(&self, token: Token) -> bool {
        let flight = self.flights.get(token.index() as usize).and_then(Option::as_ref);
        flight.is_some_and(|flight| flight.token == token && matches!(flight.stage, Stage::Slow(..)))
    }

    /// When that is, if it is on the real clock.
    pub(super) fn next_slow(&self) -> Option<Instant> {
        self.begun?.checked_add(self.earliest_slow()?)
    }

    /// How long a turn may wait because of slow operations. A virtual clock sees to it by itself.
    pub(super) fn wait_for_slow(&self, wait: Wait) -> Wait {
        match (wait, self.next_slow()) {
            (Wait::Until(until), Some(slow)) => Wait::Until(until.min(slow)),
            (Wait::Forever, Some(slow)) => Wait::Until(slow),
            (wait, _) => wait,
        }
    }

    /// Begins the slow operations whose time has come.
    pub(super) fn submit_slow(&mut self) {
        if self.slow == 0 {
            return;
        }
        let now = self.now();
        let mut due: Vec<(Duration, Token, Op)> = Vec::new();
        for flight in self.flights.iter_mut().flatten() {
            if let Stage::Slow(op, until) = flight.stage {
                if until <= now {
                    flight.stage = Stage::Below;
                    due.push((until, flight.token, op));
                }
            }
        }
        due.sort_by_key(|(until, ..)| *until);
        self.slow -= due.len();
        for (_, token, op) in due {
            // SAFETY: the promise of who has submitted it here, which holds until its final completion.
            unsafe { self.driver.submit(token, op) };
        }
    }

    /// Ends an operation that is slow and has not begun. False if it is none.
    pub(super) fn end_slow(&mut self, token: Token) -> bool {
        let turn = self.turn;
        let Some(flight) = self.flight(token).filter(|flight| matches!(flight.stage, Stage::Slow(..))) else {
            return false;
        };
        flight.stage = Stage::Answered;
        self.slow -= 1;
        self.answered += 1;
        self.held.push(Held::new(Completion::new(token, -libc::ECANCELED), turn));
        true
    }

    /// Notes that so much time has passed on a virtual clock.
    pub fn note_time(&mut self, passed: Duration) {
        self.time += passed;
    }
}
