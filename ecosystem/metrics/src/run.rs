//! What one run does.

use anyio::{
    ReasonKind,
    lowlevel::{self, Instrument, ScopeCancelled, TaskEnd, TaskStart},
    testing::{TaskId, TaskKind},
};
use metrics::{Counter, Gauge, Label, counter, gauge};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Gives the numbers of a run to the recorder that is installed when the run begins:
/// `Builder::new().instrument(RunMetrics::new)`. The names are in the [description of the package](crate).
///
/// With several cores each run should have a [label](Self::labelled), as they would overwrite each other's gauges otherwise.
pub struct RunMetrics {
    interval: Duration,
    started: Counter,
    turns: Counter,
    busy: Counter,
    waiting: Counter,
    utilisation: Gauge,
    tasks: Gauge,
    waits: Gauge,
    operations: Gauge,
    buffers: Gauge,
    shortages: Counter,
    late: Counter,
    punted: Counter,
    ended: Ended,
    cancelled: CancelledScopes,
    /// Which task is the main one, with which the run ends.
    main: Cell<Option<TaskId>>,
    /// When the driver last came back, or was last asked.
    changed: Cell<Instant>,
    /// When gauges were last set, and how long the run has been busy since.
    set: Cell<Instant>,
    busy_since: Cell<Duration>,
    /// What is less than a microsecond is told later.
    untold_busy: Cell<Duration>,
    untold_waiting: Cell<Duration>,
}

impl RunMetrics {
    /// Metrics without labels, for the only run of a program.
    pub fn new() -> Self {
        Self::with(Vec::new())
    }

    /// Metrics that all have this label, for one of several runs.
    ///
    /// ```
    /// use anyio_metrics::RunMetrics;
    ///
    /// let builder = anyio::Builder::new().instrument(|| RunMetrics::labelled("run", "ingest"));
    /// builder.run(async || ()).unwrap();
    /// ```
    pub fn labelled(key: &'static str, value: impl Into<String>) -> Self {
        Self::with(vec![Label::new(key, value.into())])
    }

    /// Sets gauges each time that so much time has passed; a second by default. With zero, in each turn.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    fn with(labels: Vec<Label>) -> Self {
        let now = Instant::now();
        Self {
            interval: Duration::from_secs(1),
            started: counter!("anyio_tasks_started_total", labels.clone()),
            turns: counter!("anyio_turns_total", labels.clone()),
            busy: counter!("anyio_busy_microseconds_total", labels.clone()),
            waiting: counter!("anyio_waiting_microseconds_total", labels.clone()),
            utilisation: gauge!("anyio_utilisation", labels.clone()),
            tasks: gauge!("anyio_tasks", labels.clone()),
            waits: gauge!("anyio_waits", labels.clone()),
            operations: gauge!("anyio_operations_in_flight", labels.clone()),
            buffers: gauge!("anyio_buffers_in_use", labels.clone()),
            shortages: counter!("anyio_buffer_shortages_total", labels.clone()),
            late: counter!("anyio_late_waits_total", labels.clone()),
            punted: counter!("anyio_punted_operations_total", labels.clone()),
            ended: Ended::new(&labels),
            cancelled: CancelledScopes::new(&labels),
            main: Cell::new(None),
            changed: Cell::new(now),
            set: Cell::new(now),
            busy_since: Cell::new(Duration::ZERO),
            untold_busy: Cell::new(Duration::ZERO),
            untold_waiting: Cell::new(Duration::ZERO),
        }
    }

    fn add_busy(&self, now: Instant) {
        let busy = now - self.changed.replace(now);
        self.busy_since.set(self.busy_since.get() + busy);
        add(&self.busy, &self.untold_busy, busy);
    }

    fn set_gauges(&self, now: Instant) {
        let passed = now - self.set.replace(now);
        let busy = self.busy_since.replace(Duration::ZERO);
        if !passed.is_zero() {
            self.utilisation.set(busy.as_secs_f64() / passed.as_secs_f64());
        }
        let statistics = lowlevel::statistics();
        self.tasks.set(statistics.tasks as f64);
        self.waits.set(statistics.waits as f64);
        self.operations.set(statistics.operations_in_flight as f64);
        self.buffers.set(statistics.buffers_in_use as f64);
        self.shortages.absolute(statistics.buffer_shortages);
        self.late.absolute(statistics.late_waits);
        self.punted.absolute(statistics.punted_operations);
    }
}

/// A counter with one label more.
fn counter_with(name: &'static str, labels: &[Label], key: &'static str, value: &'static str) -> Counter {
    let mut labels = labels.to_vec();
    labels.push(Label::from_static_parts(key, value));
    counter!(name, labels)
}

macro_rules! counters {
    ($(#[$doc:meta])* $set:ident $name:literal by $key:literal of $kind:ident { $($variant:ident $field:ident $value:literal),* }) => {
        $(#[$doc])*
        struct $set { $($field: Counter,)* other: Counter }

        impl $set {
            fn new(labels: &[Label]) -> Self {
                Self {
                    $($field: counter_with($name, labels, $key, $value),)*
                    other: counter_with($name, labels, $key, "other"),
                }
            }

            fn by(&self, kind: $kind) -> &Counter {
                match kind { $($kind::$variant => &self.$field,)* _ => &self.other }
            }
        }
    };
}

counters! {
    /// How many tasks have ended, and how. Made once, as looking one up allocates.
    Ended "anyio_tasks_ended_total" by "outcome" of TaskEnd {
        Finished finished "finished", Failed failed "failed", Cancelled cancelled "cancelled",
        Panicked panicked "panicked", Dropped dropped "dropped"
    }
}

counters! {
    /// How many scopes were cancelled, and why.
    CancelledScopes "anyio_scopes_cancelled_total" by "kind" of ReasonKind {
        Explicit explicit "explicit", Deadline deadline "deadline", SiblingFailed sibling_failed "sibling_failed",
        Interrupt interrupt "interrupt", Shutdown shutdown "shutdown", Finished finished "finished"
    }
}

/// Adds whole microseconds, and keeps the rest for the next time.
fn add(counter: &Counter, untold: &Cell<Duration>, more: Duration) {
    let all = untold.get() + more;
    counter.increment(all.as_micros() as u64);
    untold.set(Duration::from_nanos(u64::from(all.subsec_nanos() % 1000)));
}

impl Default for RunMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Instrument for RunMetrics {
    fn task_started(&self, task: &TaskStart) {
        self.started.increment(1);
        if task.kind == TaskKind::Main {
            self.main.set(Some(task.id));
            let now = Instant::now();
            self.changed.set(now);
            self.set.set(now);
        }
    }

    fn task_ended(&self, task: TaskId, how: TaskEnd) {
        self.ended.by(how).increment(1);
        if self.main.get() == Some(task) {
            let now = Instant::now();
            self.add_busy(now);
            self.set_gauges(now);
        }
    }

    fn scope_cancelled(&self, cancelled: &ScopeCancelled) {
        self.cancelled.by(cancelled.reason.kind()).increment(1);
    }

    fn turn_ended(&self) {
        let now = Instant::now();
        self.turns.increment(1);
        self.add_busy(now);
        if now - self.set.get() >= self.interval {
            self.set_gauges(now);
        }
    }

    fn turn_begun(&self) {
        let now = Instant::now();
        add(&self.waiting, &self.untold_waiting, now - self.changed.replace(now));
    }
}
