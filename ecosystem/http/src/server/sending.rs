//! What is known of how what is to be sent goes out.

use std::cell::Cell;

/// How a connection sends, told by its [`HyperIo`](crate::HyperIo).
///
/// As long as the other side keeps up nothing is counted. It does not keep up from when something first had to wait for room until
/// all has been sent.
#[derive(Debug)]
pub(crate) struct Sending {
    is_behind: Cell<bool>,
    /// How many bytes found room while something waited.
    sent: Cell<u64>,
    /// How often all had been sent again.
    catches_up: Cell<u64>,
    /// How many bytes the other side had acknowledged when the system was last asked.
    acknowledged: Cell<Option<u64>>,
    /// Whether that is to be asked when something waits.
    is_to_ask: Cell<bool>,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            is_behind: Cell::new(false),
            sent: Cell::new(0),
            catches_up: Cell::new(0),
            acknowledged: Cell::new(None),
            is_to_ask: Cell::new(true),
        }
    }
}

/// How much a connection had sent at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    sent: u64,
    catches_up: u64,
    acknowledged: Option<u64>,
}

impl Sending {
    #[inline]
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.get()
    }

    /// Something waits for room.
    #[cold]
    pub(crate) fn wait(&self, acknowledged: impl FnOnce() -> Option<u64>) {
        self.is_behind.set(true);
        if self.is_to_ask.get() {
            self.acknowledged.set(acknowledged());
        }
    }

    /// Something found room after that.
    #[cold]
    pub(crate) fn go_on(&self, count: usize) {
        self.sent.set(self.sent.get() + count as u64);
    }

    /// All has been sent.
    #[cold]
    pub(crate) fn catch_up(&self) {
        self.is_behind.set(false);
        self.catches_up.set(self.catches_up.get() + 1);
    }

    /// Whether the system is to be asked when something waits. That is of interest only now and then.
    pub(super) fn ask_the_system(&self, yes: bool) {
        self.is_to_ask.set(yes);
    }

    pub(super) fn so_far(&self) -> Sent {
        Sent {
            sent: self.sent.get(),
            catches_up: self.catches_up.get(),
            acknowledged: self.acknowledged.get(),
        }
    }
}

impl Sent {
    /// How many bytes went out since then. `None` if all had been sent at some time.
    pub(super) fn since(&self, then: &Self) -> Option<u64> {
        // The system has room again only when a lot of it is empty, so this may be more.
        let acknowledged = match (then.acknowledged, self.acknowledged) {
            (Some(then), Some(now)) => now.saturating_sub(then),
            _ => 0,
        };
        (self.catches_up == then.catches_up).then_some(acknowledged.max(self.sent - then.sent))
    }
}
