//! How a server stands.

use anyio::streams;
use std::{cell::Cell, rc::Rc};

/// How a [`Server`](crate::Server) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerStatistics {
    /// How many connections are open.
    pub connections: usize,
    /// How many may be open at the same time.
    pub max_connections: Option<usize>,
    /// How many were accepted since the server was made, with those that have ended.
    pub accepted_connections: u64,
    /// How many requests are being handled or answered.
    pub requests: usize,
    /// How many there were since the server was made, with those that have ended.
    pub accepted_requests: u64,
    /// How many were cancelled because they took too long.
    pub timed_out: u64,
    /// How many connections, and single streams of HTTP/2, were ended because their clients took too little of what was sent.
    pub send_timed_out: u64,
    /// How many were cancelled because the client went away, or the server ended.
    pub cancelled: u64,
    /// How many handlers failed.
    pub failed: u64,
    /// How many handlers panicked.
    pub panicked: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: Rc<Cell<usize>>,
    pub(super) accepted: Cell<u64>,
    pub(super) timed_out: Cell<u64>,
    pub(super) send_timed_out: Cell<u64>,
    pub(super) cancelled: Cell<u64>,
    pub(super) failed: Cell<u64>,
    pub(super) panicked: Cell<u64>,
}

pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Counts {
    pub(super) fn statistics(&self, connections: streams::ServerStatistics) -> ServerStatistics {
        ServerStatistics {
            connections: connections.connections,
            max_connections: connections.max_connections,
            accepted_connections: connections.accepted,
            requests: self.requests.get(),
            accepted_requests: self.accepted.get(),
            timed_out: self.timed_out.get(),
            send_timed_out: self.send_timed_out.get(),
            cancelled: self.cancelled.get(),
            failed: self.failed.get(),
            panicked: self.panicked.get() + connections.panicked,
        }
    }
}
