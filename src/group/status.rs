//! How a child stands.

/// How a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// It has not ended.
    Pending,
    /// It was cancelled by [`TaskHandle::cancel`](crate::TaskHandle::cancel) and has not ended.
    Cancelling,
    /// It ended with a value.
    Finished,
    /// It ended because a scope around it was cancelled.
    Cancelled,
    /// It ended with an error, which is the group's, or a panic.
    Failed,
}
