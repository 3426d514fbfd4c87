//! Servers on hyper: small and large answers, and uploads.

use std::time::Duration;

use crate::{
    measuring::{
        cell::{Cell, Direction},
        hyper::{self, MAX_ANSWER},
        load::closed_loop::{ClosedLoop, Exchange},
        results::Unit,
    },
    workloads::requests::{self, Arguments, Workload},
};

const WORKLOAD: Workload = Workload {
    name: "hyper",
    server: "hyper",
    unit: Unit::Request,
    cells: &["1x13", "64x13", "500x13", "16x64K", "receive:16x1024K"],
    quick_cells: &["1x13", "64x13", "16x64K"],
    slice: Duration::from_millis(100),
    check: |cell| match cell {
        Cell { direction: None | Some(Direction::Receive), rate: None, size: ..=MAX_ANSWER, .. } => Ok(()),
        _ => Err("a cell of hyper is CONNECTIONSxBYTES of answers, or receive:CONNECTIONSxBYTES of uploads"),
    },
    all_cores: false,
};

const AXUM: Workload = Workload { name: "axum", server: "axum", ..WORKLOAD };

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, || ClosedLoop::new(exchange))
}

pub(crate) fn run_axum(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&AXUM, arguments, || ClosedLoop::new(exchange))
}

fn exchange(cell: Cell) -> Exchange {
    match cell.direction {
        None => {
            Exchange { request: hyper::get(cell.size), answer: hyper::answer_bytes(cell.size), requests: 1 }
        }
        Some(_) => {
            Exchange { request: hyper::upload(cell.size), answer: hyper::answer_bytes(13), requests: 1 }
        }
    }
}
