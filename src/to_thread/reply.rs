//! One answer for a thread that waits for it.
//!
//! The thread waits until it is answered, until nobody is left who could, or until the run that was to answer is over. So
//! nothing that becomes of futures in the run, not even that they are forgotten, keeps a thread waiting for ever.

use crate::{
    lowlevel::RunToken,
    runtime::{Blocked, dispose_of},
};
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What came of what was asked for: a value, or a panic. There is none if the future that was to bring it was dropped before.
pub(crate) type Answer<T> = thread::Result<T>;

/// Where the answer is to be given. Dropping it says that there will be none.
pub(crate) struct Replier<T>(Arc<Slot<T>>);

/// Where the answer comes. Dropping it says that nobody waits for it.
pub(crate) struct Reply<T> {
    slot: Arc<Slot<T>>,
    /// The slot once more, for the run to tell of its end.
    blocked: Weak<dyn Blocked>,
    /// Whether the run knows of it: who waits again and again is told once.
    known: AtomicBool,
    run: RunToken,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// None yet.
    TimedOut,
    /// And there will be none.
    Over,
}

struct Slot<T> {
    state: Mutex<State<T>>,
    news: Condvar,
}

enum State<T> {
    Open,
    Answered(Answer<T>),
    /// The answer was taken, or there will be none, or nobody waits for it.
    Over,
}

/// Both ends of what one thread waits for, and this run is to answer.
pub(crate) fn reply<T: Send + 'static>(run: RunToken) -> (Replier<T>, Reply<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Open), news: Condvar::new() });
    let blocked: Arc<dyn Blocked> = slot.clone();
    (
        Replier(slot.clone()),
        Reply { slot, blocked: Arc::downgrade(&blocked), known: AtomicBool::new(false), run },
    )
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Only moves happen under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that no answer will come, if none has.
    fn give_up(&self) {
        let mut state = self.state();
        if matches!(*state, State::Open) {
            *state = State::Over;
            self.news.notify_all();
        }
    }
}

impl<T: Send> Blocked for Slot<T> {
    fn run_is_over(&self) {
        self.give_up();
    }
}

impl<T> State<T> {
    /// What has come of it, if that is decided.
    fn take(&mut self) -> Option<Result<Answer<T>, NoAnswer>> {
        match std::mem::replace(self, Self::Over) {
            Self::Open => {
                *self = Self::Open;
                None
            }
            Self::Answered(answer) => Some(Ok(answer)),
            Self::Over => Some(Err(NoAnswer::Over)),
        }
    }
}

impl<T> Replier<T> {
    /// Gives the answer, which comes back if nobody waits for it.
    pub(crate) fn give(self, answer: Answer<T>) -> Result<(), Answer<T>> {
        let mut state = self.0.state();
        if !matches!(*state, State::Open) {
            return Err(answer);
        }
        *state = State::Answered(answer);
        self.0.news.notify_all();
        Ok(())
    }
}

impl<T> Drop for Replier<T> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl<T> Reply<T> {
    /// Waits for the answer. `None` if there will be none.
    ///
    /// # Panics
    /// On the thread of the run that is to answer, unless it has.
    #[track_caller]
    pub(crate) fn wait(&self) -> Option<Answer<T>> {
        self.wait_until(None).ok()
    }

    /// The same, for no longer than this.
    ///
    /// # Panics
    /// As [`wait`](Self::wait), unless it need not wait.
    #[track_caller]
    pub(crate) fn wait_for(&self, limit: Duration) -> Result<Answer<T>, NoAnswer> {
        // A time that no clock can tell is no limit.
        self.wait_until(Instant::now().checked_add(limit))
    }

    #[track_caller]
    fn wait_until(&self, deadline: Option<Instant>) -> Result<Answer<T>, NoAnswer> {
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if let Some(decided) = self.slot.state().take() {
            return decided;
        }
        if left() != Some(Duration::ZERO) {
            self.run.assert_elsewhere();
            if !self.known.swap(true, Ordering::Relaxed) && !self.run.tell_at_end(self.blocked.clone()) {
                self.slot.give_up();
            }
        }
        let mut state = self.slot.state();
        loop {
            if let Some(decided) = state.take() {
                return decided;
            }
            let news = &self.slot.news;
            state = match left() {
                None => news.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Err(NoAnswer::TimedOut),
                Some(left) => news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Says that nobody waits. Gives an answer that is there already.
    pub(crate) fn close(&self) -> Option<Answer<T>> {
        let before = std::mem::replace(&mut *self.slot.state(), State::Over);
        match before {
            State::Answered(answer) => Some(answer),
            State::Open | State::Over => None,
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(Err(payload)) = self.close() {
            dispose_of(payload);
        }
    }
}
