//! TCP echo at fixed rates that leave the servers time to spare.

use std::time::Duration;

use crate::{
    measuring::{cell::Cell, load::open_loop::OpenLoop, results::Unit},
    workloads::requests::{self, Arguments, Workload},
};

const WORKLOAD: Workload = Workload {
    name: "latency",
    server: "echo",
    unit: Unit::Request,
    cells: &["1x64@1000", "1x64@10000", "50x64@20000", "50x64@100000", "500x1K@100000"],
    quick_cells: &["1x64@1000", "50x64@20000"],
    slice: Duration::from_millis(250),
    check: |cell| match cell {
        Cell { direction: None, rate: Some(_), size: ..=16_384, .. } => Ok(()),
        _ => Err("a cell of latency is CONNECTIONSxBYTES@RATE, with no more than 16 KiB"),
    },
    all_cores: false,
};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, OpenLoop::new)
}
