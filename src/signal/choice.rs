//! What a run makes of Ctrl-C.

use std::time::Duration;

/// What a run makes of Ctrl-C. See [`Builder::interrupt`](crate::Builder::interrupt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Nothing: the signal has the effect that it has without the run.
    Ignore,
    /// The first `SIGINT` cancels the main task, with the reason [`ReasonKind::Interrupt`](crate::ReasonKind::Interrupt). The
    /// second ends the process.
    Cancel,
    /// The first `SIGINT` or `SIGTERM` tells the main task to [finish](crate::Scope::finish), within so long a time: nothing
    /// new starts, and what is busy goes on. The second cancels it, and the third ends the process.
    Finish(Duration),
}
