//! HTTP/1.1 with connections that are kept: a small request, a small answer.

use std::time::Duration;

use crate::{
    measuring::{
        cell::Cell,
        http::ANSWER,
        load::closed_loop::{ClosedLoop, Exchange},
        results::Unit,
    },
    workloads::requests::{self, Arguments, Workload},
};

/// About what a load generator such as wrk sends.
const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n";

/// So many requests in a row, and their answers, fit into the buffers of a socket.
const MAX_PIPELINED: usize = 128;

const WORKLOAD: Workload = Workload {
    name: "http",
    server: "http",
    unit: Unit::Request,
    cells: &["1x1", "50x1", "500x1", "50x16"],
    quick_cells: &["50x1", "500x1"],
    slice: Duration::from_millis(100),
    check: |cell| match cell {
        Cell { direction: None, rate: None, size: ..=MAX_PIPELINED, .. } => Ok(()),
        _ => Err("a cell of http is CONNECTIONSxREQUESTS, with no more than 128 requests in a row"),
    },
    all_cores: false,
};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, || ClosedLoop::new(exchange))
}

fn exchange(cell: Cell) -> Exchange {
    Exchange {
        request: REQUEST.repeat(cell.size),
        answer: ANSWER.repeat(cell.size),
        requests: cell.size as u64,
        rare: None,
    }
}
