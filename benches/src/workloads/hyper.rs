//! Servers on hyper: small and large answers, and uploads, by HTTP/1.1, also over TLS, and by HTTP/2.

use std::time::Duration;

use crate::{
    measuring::{
        cell::{Cell, Direction},
        hyper::{self, ANSWER_BYTES, MAX_ANSWER},
        load::{
            closed_loop::{ClosedLoop, Exchange},
            http2::{self, Http2},
            tls::Kept,
        },
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

const HTTP2: Workload = Workload {
    name: "hyper-http2",
    server: "hyper-http2",
    cells: &["1x1", "8x10"],
    quick_cells: &["8x10"],
    check: |cell| match cell {
        Cell { direction: None, rate: None, size: ..=MAX_STREAMS, .. } => Ok(()),
        _ => Err("a cell of HTTP/2 is CONNECTIONSxSTREAMS, with no more than 100 streams"),
    },
    ..WORKLOAD
};

/// As many as all servers allow at the same time.
const MAX_STREAMS: usize = 100;

const TLS: Workload = Workload {
    name: "hyper-tls",
    server: "hyper-tls",
    cells: &["64x13", "16x64K"],
    quick_cells: &["64x13"],
    check: |cell| match cell {
        Cell { direction: None, rate: None, size: ..=MAX_ANSWER, .. } => Ok(()),
        _ => Err("a cell of hyper over TLS is CONNECTIONSxBYTES of answers"),
    },
    ..WORKLOAD
};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, || ClosedLoop::new(exchange))
}

pub(crate) fn run_axum(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&AXUM, arguments, || ClosedLoop::new(exchange))
}

pub(crate) fn run_http2(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&HTTP2, arguments, || Ok(Http2(http2::short())))
}

pub(crate) fn run_tls(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&TLS, arguments, || Kept::new(exchange))
}

fn exchange(cell: Cell) -> Exchange {
    match cell.direction {
        None => Exchange {
            request: hyper::get(cell.size),
            answer: hyper::answer_bytes(cell.size),
            requests: 1,
            rare: None,
        },
        Some(_) => Exchange {
            request: hyper::upload(cell.size),
            answer: hyper::answer_bytes(ANSWER_BYTES),
            requests: 1,
            rare: None,
        },
    }
}
