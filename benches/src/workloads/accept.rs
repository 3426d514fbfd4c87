//! Connections that live for one request: connect, one echo, close.

use std::time::Duration;

use crate::{
    measuring::{load::connector::Connector, results::Unit},
    workloads::requests::{self, Arguments, Workload, plain},
};

const WORKLOAD: Workload = Workload {
    name: "accept",
    server: "echo",
    unit: Unit::Connection,
    cells: &["1x64", "50x64", "500x64"],
    quick_cells: &["50x64"],
    slice: Duration::from_millis(100),
    check: plain,
    all_cores: false,
};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, Connector::new)
}
