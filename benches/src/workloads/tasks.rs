//! What tasks, timers, scopes and the runtimes' own channels and locks cost, without input or output.

use crate::{
    measuring::row::{Figure, Row},
    workloads::rows::{self, Arguments},
};

pub(crate) const WORKLOAD: &str = "tasks";

const fn row(name: &'static str, about: &'static str, operations: u64) -> Row {
    Row { name, about, job: name, operations, figure: Figure::Cpu }
}

const fn elapsed(name: &'static str, about: &'static str, operations: u64) -> Row {
    Row { name, about, job: name, operations, figure: Figure::Elapsed }
}

static ROWS: &[Row] = &[
    row("spawn-join", "start 1,000 tasks, then wait for all of them", 50_000),
    row("spawn-await", "start a task and wait for its value at once", 50_000),
    row("yield", "ten tasks that let each other run", 200_000),
    row("yield-foreign", "ten futures in one task that let each other run, by a set's own wakers", 200_000),
    row("yield-deep", "a task that yields from ten levels down, with 5 KiB kept on the way", 100_000),
    row("channel", "a round trip through two of the runtime's own channels with room for one", 50_000),
    row("lock", "two tasks that hold the runtime's own lock while they yield", 50_000),
    row("timer-cancel", "begin to sleep and give it up", 50_000),
    row("timer-fire", "1,000 tasks that sleep for 1 to 8 ms", 4_000),
    row("timeout-ready", "a timeout around what is ready", 200_000),
    row("timeout-yield", "a timeout around one yield", 50_000),
    row("timeouts-3", "three timeouts around one yield", 20_000),
    row("timeouts-10", "ten timeouts around one yield", 10_000),
    row("groups-1", "a group (JoinSet) with one task in it that yields once", 20_000),
    row("groups-3", "three such groups in one another", 10_000),
    row("groups-10", "ten such groups in one another", 5_000),
    elapsed("cross-core", "a round trip between tasks of two runtimes on two processors", 3_000),
    elapsed(
        "cross-core-spin",
        "the same, with runtimes that can set to look for a while before sleeping",
        3_000,
    ),
    row("cancel", "10,000 tasks that sleep are cancelled at once and waited for", 10_000),
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    rows::run(WORKLOAD, ROWS, arguments)
}
