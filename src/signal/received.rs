//! What has come for a receiver.

use super::listener::Listener;
use crate::runtime::WaitQueue;
use std::sync::Arc;

/// What a receiver shares with its executor.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) listener: Arc<Listener>,
    pub(super) waiting: WaitQueue,
}

impl Received {
    /// Wakes who waits, if there is something to receive.
    pub(super) fn notify(&self) {
        if self.listener.has_arrivals() {
            self.waiting.notify_all();
        }
    }
}
