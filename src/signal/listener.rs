//! What the handler tells, and whom.
//!
//! # Contract
//! [`Listener::note`] is called by the signal handler. It only uses atomics and wakes the driver, which drivers do
//! with atomics and at most one system call: all of that is allowed in a signal handler.

use super::Signal;
use anyio_driver::Unparker;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a listener is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It gives the signals out and wants them again and again.
    Receiver,
    /// It ends a run, in so many steps.
    Run { steps: u32 },
}

/// Where the handler leaves word that signals have come: shared between it and one receiver or run.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) purpose: Purpose,
    unparker: Unparker,
    /// The signals that are listened to, each with the number of its arrival, or 0 if it has not come.
    arrivals: Box<[(Signal, AtomicU64)]>,
    /// How many steps have been asked for, by whichever of the signals.
    steps: AtomicU32,
}

impl Listener {
    /// For these signals; repeated ones count once. What has arrived wakes the driver.
    pub(super) fn new(purpose: Purpose, signals: &[Signal], unparker: Unparker) -> Self {
        let mut signals = signals.to_vec();
        signals.sort();
        signals.dedup();
        let arrivals = signals.into_iter().map(|signal| (signal, AtomicU64::new(0))).collect();
        Self { purpose, unparker, arrivals, steps: AtomicU32::new(0) }
    }

    /// The signals that are listened to.
    pub(super) fn signals(&self) -> impl Iterator<Item = Signal> {
        self.arrivals.iter().map(|(signal, _)| *signal)
    }

    /// Whether this listener wants that signal.
    pub(super) fn wants(&self, signal: i32) -> bool {
        self.arrivals.iter().any(|(wanted, _)| wanted.as_raw() == signal)
    }

    /// Notes an arrival. Tells whether it is news: the first since the last was taken, or one more step.
    pub(super) fn note(&self, signal: i32, number: u64) -> bool {
        let Some((_, arrival)) = self.arrivals.iter().find(|(wanted, _)| wanted.as_raw() == signal) else {
            return false;
        };
        if let Purpose::Run { steps } = self.purpose {
            let step = |asked: u32| (asked < steps).then_some(asked + 1);
            return self.steps.fetch_update(Ordering::AcqRel, Ordering::Acquire, step).is_ok();
        }
        arrival.compare_exchange(0, number, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Wakes the executor, after the arrival has been noted and announced.
    pub(super) fn wake(&self) {
        self.unparker.unpark();
    }

    /// Whether any signal has come that was not taken.
    pub(super) fn has_arrivals(&self) -> bool {
        self.arrivals.iter().any(|(_, arrival)| arrival.load(Ordering::Acquire) != 0)
    }

    /// How many steps have been asked for. They stay noted, so that the next signal is known not to be the first.
    pub(super) fn steps(&self) -> u32 {
        self.steps.load(Ordering::Acquire)
    }

    /// Takes the signal that came first.
    pub(super) fn take(&self) -> Option<Signal> {
        let came = self.arrivals.iter().filter(|(_, arrival)| arrival.load(Ordering::Acquire) != 0);
        let (signal, arrival) = came.min_by_key(|(_, arrival)| arrival.load(Ordering::Acquire))?;
        // Only this thread takes, so it is still there.
        arrival.store(0, Ordering::Release);
        Some(*signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyio_driver::Unpark;
    use std::sync::Arc;

    struct Nobody;

    impl Unpark for Nobody {
        fn unpark(&self) {}
    }

    #[test]
    fn each_step_towards_the_end_of_a_run_is_asked_for_once_by_whichever_signal() {
        let signals = [Signal::SIGINT, Signal::SIGTERM];
        let listener = Listener::new(Purpose::Run { steps: 2 }, &signals, Unparker::new(Arc::new(Nobody)));
        let told = [libc::SIGTERM, libc::SIGINT, libc::SIGTERM].map(|signal| listener.note(signal, 1));
        assert_eq!((told, listener.steps()), ([true, true, false], 2));
    }

    #[test]
    fn signals_are_taken_in_the_order_of_arrival_and_repeats_are_merged() {
        let signals = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGUSR1];
        let listener = Listener::new(Purpose::Receiver, &signals, Unparker::new(Arc::new(Nobody)));
        assert_eq!(listener.signals().count(), 2);
        assert!(listener.note(libc::SIGUSR2, 1));
        assert!(listener.note(libc::SIGUSR1, 2));
        assert!(!listener.note(libc::SIGUSR2, 3));
        assert!(!listener.note(libc::SIGHUP, 4));
        assert_eq!(listener.take(), Some(Signal::SIGUSR2));
        assert_eq!(listener.take(), Some(Signal::SIGUSR1));
        assert_eq!(listener.take(), None);
    }
}
