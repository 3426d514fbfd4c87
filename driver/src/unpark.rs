//! Waking a driver from elsewhere.

use std::{fmt, os::fd::RawFd, sync::Arc};

/// How a driver is woken. Implemented by drivers.
pub trait Unpark: Send + Sync {
    /// Ends the [`turn`](crate::Driver::turn) that the driver waits in, or the next that would wait.
    ///
    /// Handlers of signals call it, so it takes no lock and allocates nothing.
    fn unpark(&self);

    /// The driver's ring as a descriptor to which another ring can send a message, if it has one.
    ///
    /// It stays open as long as this value lives.
    fn ring(&self) -> Option<RawFd> {
        None
    }
}

/// Wakes a driver from any thread. Cheap to clone; outlives the driver harmlessly.
#[derive(Clone)]
pub struct Unparker(Arc<dyn Unpark>);

impl Unparker {
    /// Wraps a driver's way of being woken.
    pub fn new(unpark: Arc<dyn Unpark>) -> Self {
        Self(unpark)
    }

    /// Ends the [`turn`](crate::Driver::turn) that the driver waits in, or the next that would wait.
    pub fn unpark(&self) {
        self.0.unpark();
    }

    /// The driver's ring, if it has one, open as long as this value or a clone lives.
    pub fn ring(&self) -> Option<RawFd> {
        self.0.ring()
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker").field("ring", &self.ring()).finish()
    }
}
