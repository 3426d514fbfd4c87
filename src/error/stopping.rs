//! The two stages in which a scope comes to its end, of which errors tell.

/// How a scope is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Nothing new starts in it.
    Finish,
    /// Nothing goes on in it.
    Cancel,
}
