//! Waking a driver from elsewhere.

use std::{fmt, sync::Arc};

/// How a driver is woken. Implemented by drivers.
pub trait Unpark: Send + Sync {
    /// Ends the [`turn`](crate::Driver::turn) that the driver waits in, or the next that would wait.
    ///
    /// Handlers of signals call it, so it takes no lock and allocates nothing.
    fn unpark(&self);
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
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker").finish_non_exhaustive()
    }
}
