//! Other processes, started and waited for.

use crate::{
    measuring::row::{Figure, Row},
    workloads::rows::{self, Arguments},
};

pub(crate) const WORKLOAD: &str = "processes";

// The processor time is this process's own: that of its children does not count.
static ROWS: &[Row] = &[
    Row {
        name: "one",
        about: "start /bin/true and wait for its end, one at a time",
        job: "one",
        operations: 2_000,
        figure: Figure::Cpu,
    },
    Row {
        name: "sixteen",
        about: "the same, 16 at a time",
        job: "sixteen",
        operations: 2_000,
        figure: Figure::Cpu,
    },
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    rows::run(WORKLOAD, ROWS, arguments)
}
