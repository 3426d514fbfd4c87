//! What must not be left when a run of the body is over.

use crate::{
    lowlevel::{RunStatistics, checkpoint},
    runtime::Core,
};
use std::{
    collections::BTreeSet,
    fmt, fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// So many turns are awaited at full speed.
const SWIFT_TURNS: usize = 500;

/// What the run has in hand, and which descriptors the process.
pub(super) struct InHand {
    statistics: RunStatistics,
    descriptors: BTreeSet<i32>,
}

impl InHand {
    pub(super) fn now() -> Self {
        Self { statistics: statistics(), descriptors: descriptors() }
    }

    /// Waits until nothing is left of what has come since, for at most so long in real time. Descriptors do not count here, since
    /// others in this process have some, too.
    ///
    /// # Errors
    /// A text that says what is left.
    pub(super) async fn settle(&self, limit: Duration) -> Result<(), String> {
        let end = Instant::now() + limit;
        let mut turns = 0;
        while !self.is_settled() {
            if Instant::now() >= end {
                return Err(format!(
                    "something is left of it: before it {:?}, and after it {:?}",
                    self.statistics,
                    statistics()
                ));
            }
            // Whether this is cancelled is not asked: it waits for the end of what is.
            let _ = checkpoint().await;
            turns += 1;
            if turns > SWIFT_TURNS {
                thread::sleep(Duration::from_micros(100));
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let (now, before) = (statistics(), self.statistics);
        let nothing_is_left = now.tasks <= before.tasks
            && now.waits <= before.waits
            && now.operations_in_flight <= before.operations_in_flight
            && now.orphaned_operations <= before.orphaned_operations
            && now.buffers_in_use <= before.buffers_in_use
            && now.stale_completions == before.stale_completions;
        nothing_is_left && (self.statistics.operations_in_flight > 0 || Core::with(|core| !core.is_busy()))
    }

    /// The descriptors that the process has now and had not then.
    pub(super) fn opened_since(&self) -> Vec<Open> {
        descriptors().difference(&self.descriptors).map(|&number| Open::of(number)).collect()
    }
}

/// A descriptor, and what it led to when it was seen.
pub(super) struct Open {
    number: i32,
    target: Option<PathBuf>,
}

impl Open {
    fn of(number: i32) -> Self {
        Self { number, target: fs::read_link(format!("/dev/fd/{number}")).ok() }
    }

    /// Whether it is still there, as far as can be told.
    pub(super) fn is_open(&self) -> bool {
        descriptors().contains(&self.number) && Self::of(self.number).target == self.target
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(f, "{} ({})", self.number, target.display()),
            None => write!(f, "{}", self.number),
        }
    }
}

/// Shortages come as they may.
fn statistics() -> RunStatistics {
    RunStatistics { buffer_shortages: 0, ..Core::with(RunStatistics::of) }
}

fn descriptors() -> BTreeSet<i32> {
    let Ok(entries) = fs::read_dir("/dev/fd") else { return BTreeSet::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut all: BTreeSet<i32> = numbers.collect();
    // The folder was open itself.
    // SAFETY: asks for the flags of a number, which need not be one of a descriptor.
    all.retain(|&number| unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0);
    all
}
