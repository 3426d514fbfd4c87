//! Which processor a thread runs on, where that cannot be said.

/// None that a thread could be given.
pub(super) fn processors() -> Vec<usize> {
    Vec::new()
}

/// Leaves the thread where it is.
pub(super) fn pin_to(_processor: usize) {}
