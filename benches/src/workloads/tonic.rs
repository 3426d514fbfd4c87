//! gRPC by tonic: calls with one message each way, and calls that are answered by many.

use std::time::Duration;

use crate::{
    measuring::{
        cell::Cell,
        load::http2::{Exchange, Http2},
        results::Unit,
        tonic::{MESSAGES, NAME, answer, call},
    },
    workloads::requests::{self, Arguments, Workload},
};

const WORKLOAD: Workload = Workload {
    name: "tonic",
    server: "tonic",
    unit: Unit::Request,
    cells: &["1x1", "8x10"],
    quick_cells: &["8x10"],
    slice: Duration::from_millis(100),
    check: |cell| match cell {
        Cell { direction: None, rate: None, size: ..=MAX_STREAMS, .. } => Ok(()),
        _ => Err("a cell of gRPC is CONNECTIONSxSTREAMS, with no more than 100 streams"),
    },
    all_cores: false,
};

const STREAM: Workload = Workload { name: "tonic-stream", ..WORKLOAD };

/// As many as all servers allow at the same time.
const MAX_STREAMS: usize = 100;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&WORKLOAD, arguments, || Ok(Http2(exchange("SayHello", 1))))
}

/// Each message that comes counts as a request.
pub(crate) fn run_stream(arguments: &Arguments) -> anyhow::Result<()> {
    requests::run(&STREAM, arguments, || Ok(Http2(exchange("SayManyTimes", MESSAGES))))
}

fn exchange(method: &str, messages: u32) -> Exchange {
    let (head, body) = call(method, NAME, messages);
    Exchange { head, body, answer: answer(messages), requests: u64::from(messages) }
}
