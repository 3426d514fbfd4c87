//! How a child stands.

use crate::runtime::TaskEnd;
use std::{error::Error, fmt};

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

impl TaskStatus {
    /// How a child has ended that has this status now, and has not panicked.
    pub(super) fn end(self) -> TaskEnd {
        match self {
            Self::Finished => TaskEnd::Finished,
            Self::Failed => TaskEnd::Failed,
            Self::Cancelled | Self::Cancelling | Self::Pending => TaskEnd::Cancelled,
        }
    }
}

/// Why a [`TaskHandle`](super::TaskHandle) has no value to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoValue {
    /// The child has not ended.
    Pending,
    /// The child was cancelled.
    Cancelled,
    /// The child has failed; the error or panic is its group's.
    Failed,
    /// The value was taken before.
    Taken,
}

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "the task has not ended",
            Self::Cancelled => "the task was cancelled",
            Self::Failed => "the task has failed",
            Self::Taken => "the task's value was taken before",
        })
    }
}

impl Error for NoValue {}
