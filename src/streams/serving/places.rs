//! How many connections there are, and how many there may be.

use crate::{
    error::Cancelled,
    runtime::{WaitQueue, WaitReason},
    sync::waiting::{Grant, Waiting},
};
use std::cell::Cell;

/// How a [`Server`](super::Server) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerStatistics {
    /// How many connections are being served.
    pub connections: usize,
    /// How many may be served at the same time.
    pub max_connections: Option<usize>,
    /// How many were accepted since the server was made, with those that have ended.
    pub accepted: u64,
    /// How many ended by an error that concerns a connection alone.
    pub lost: u64,
    /// How many ended by another error.
    pub failed: u64,
    /// How many panics of handlers were caught.
    pub panicked: u64,
}

/// The places for connections, and what has become of those that had one.
#[derive(Debug, Default)]
pub(super) struct Places {
    limit: Option<usize>,
    taken: Cell<usize>,
    accepted: Cell<u64>,
    pub(super) lost: Cell<u64>,
    pub(super) failed: Cell<u64>,
    pub(super) panicked: Cell<u64>,
    waiting: WaitQueue,
}

impl Places {
    pub(super) fn limit_to(&mut self, limit: usize) {
        self.limit = Some(limit);
    }

    pub(super) fn has_room(&self) -> bool {
        self.limit.is_none_or(|limit| self.taken.get() < limit)
    }

    /// Waits until there is room. Nothing is reserved by that.
    pub(super) async fn room(&self) -> Result<(), Cancelled> {
        while !self.has_room() {
            Waiting::new(Room(self)).await?;
        }
        Ok(())
    }

    pub(super) fn take(&self) {
        self.taken.set(self.taken.get() + 1);
        count(&self.accepted);
    }

    pub(super) fn give_back(&self) {
        self.taken.set(self.taken.get() - 1);
        self.waiting.notify_all();
    }

    pub(super) fn statistics(&self) -> ServerStatistics {
        ServerStatistics {
            connections: self.taken.get(),
            max_connections: self.limit,
            accepted: self.accepted.get(),
            lost: self.lost.get(),
            failed: self.failed.get(),
            panicked: self.panicked.get(),
        }
    }
}

pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

struct Room<'a>(&'a Places);

impl Grant for Room<'_> {
    const REASON: WaitReason = WaitReason::ConnectionEnd;

    type Output = ();

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<()> {
        self.0.has_room().then_some(())
    }

    fn granted(&mut self, _: i32) {}

    fn pass_on(&mut self, _: i32) {}
}
