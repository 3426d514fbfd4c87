//! Cancelling much that waits at once: from the cancellation to the end of the last task.

use crate::{
    measuring::row::{Figure, Row},
    workloads::rows::{self, Arguments},
};

pub(crate) const WORKLOAD: &str = "cancel";

const fn row(name: &'static str, about: &'static str, job: &'static str, operations: u64) -> Row {
    Row { name, about, job, operations, figure: Figure::Elapsed }
}

const RECEIVES: &str = "tasks that wait for bytes, received in the runtime's plainest way";
const RECEIVES_INTO: &str = "tasks that wait for bytes into buffers of their own";
const TIMERS: &str = "tasks that sleep";
const EVENTS: &str = "tasks that wait for one event of the runtime's own kind";

static ROWS: &[Row] = &[
    row("receives-1k", RECEIVES, "receives", 1_000),
    row("receives-3k", RECEIVES, "receives", 3_000),
    row("receives-9k", RECEIVES, "receives", 9_000),
    row("receives-into-1k", RECEIVES_INTO, "receives-into", 1_000),
    row("receives-into-3k", RECEIVES_INTO, "receives-into", 3_000),
    row("receives-into-9k", RECEIVES_INTO, "receives-into", 9_000),
    row("timers-100k", TIMERS, "timers", 100_000),
    row("timers-1m", TIMERS, "timers", 1_000_000),
    row("events-100k", EVENTS, "events", 100_000),
    row("events-1m", EVENTS, "events", 1_000_000),
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    rows::run(WORKLOAD, ROWS, arguments)
}
