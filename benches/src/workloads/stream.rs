//! Much in one direction on one connection.

use std::time::Duration;

use crate::{
    measuring::{
        cell::Cell,
        load::{bulk::Bulk, connect},
        results::Unit,
    },
    workloads::requests::{self, Arguments, Workload},
};

pub(super) const WORKLOAD: Workload = Workload {
    name: "stream",
    server: "stream",
    unit: Unit::Mebibyte,
    cells: &["send:1x64K", "send:1x1024K", "receive:1x64K", "receive:1x1024K"],
    quick_cells: &["send:1x64K", "receive:1x64K"],
    slice: Duration::from_millis(200),
    check: |cell| match cell {
        Cell { direction: Some(_), connections: 1, rate: None, .. } => Ok(()),
        _ => Err("a cell of stream is send:1xBYTES or receive:1xBYTES"),
    },
    all_cores: false,
};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, || Ok(Bulk::new(connect)))
}
