//! UDP: datagrams echoed on one socket for many peers, and many in one direction.

use crate::{
    measuring::row::{Figure, Row},
    workloads::rows::{self, Arguments},
};

pub(crate) const WORKLOAD: &str = "udp";

const fn row(name: &'static str, about: &'static str, job: &'static str, operations: u64) -> Row {
    Row { name, about, job, operations, figure: Figure::Cpu }
}

const ECHO_SMALL: &str = "datagrams of 64 bytes, echoed to so many peers that wait for their answers";
const ECHO: &str = "datagrams of 1,200 bytes, echoed to so many peers that wait for their answers";

const ECHO_TOGETHER: &str = "the same, and all that has come at a time is answered together";

static ROWS: &[Row] = &[
    row("echo-1x64", ECHO_SMALL, "echo-1x64", 20_000),
    row("echo-50x64", ECHO_SMALL, "echo-50x64", 60_000),
    row("echo-500x64", ECHO_SMALL, "echo-500x64", 60_000),
    row("echo-1x1200", ECHO, "echo-1x1200", 20_000),
    row("echo-50x1200", ECHO, "echo-50x1200", 60_000),
    row("echo-500x1200", ECHO, "echo-500x1200", 60_000),
    row("echo-together-50x64", ECHO_TOGETHER, "echo-together-50x64", 60_000),
    row("echo-together-50x1200", ECHO_TOGETHER, "echo-together-50x1200", 60_000),
    row("receive", "datagrams of 1,200 bytes received, one by one", "receive", 100_000),
    row("receive-offload", "the same, which the kernel hands over together", "receive-offload", 300_000),
    row("send", "datagrams of 1,200 bytes sent, one by one", "send", 100_000),
    row("send-offload", "the same, which the kernel takes 50 at a time", "send-offload", 300_000),
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    rows::run(WORKLOAD, ROWS, arguments)
}
