//! What things are done to.

use anyio_driver::{CallKind, OpKind};
use std::{cmp::Ordering, fmt};

/// The kind of what something is done to. As text it is the name of the inner kind, as in `Receive` or `Bind`; no operation
/// and no call have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An operation of the driver.
    Operation(OpKind),
    /// A call of the system that the runtime makes itself, as it does not wait.
    Call(CallKind),
}

impl Kind {
    /// All there are.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        OpKind::ALL.iter().copied().map(Self::Operation).chain(CallKind::ALL.iter().copied().map(Self::Call))
    }

    /// The name as people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operation(kind) => kind.name(),
            Self::Call(kind) => kind.name(),
        }
    }

    /// A number that no other has.
    pub(crate) const fn place(self) -> u64 {
        match self {
            Self::Operation(kind) => kind as u64,
            Self::Call(kind) => 256 + kind as u64,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(kind) => fmt::Debug::fmt(kind, f),
            Self::Call(kind) => fmt::Debug::fmt(kind, f),
        }
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<OpKind> for Kind {
    fn from(kind: OpKind) -> Self {
        Self::Operation(kind)
    }
}

impl From<CallKind> for Kind {
    fn from(kind: CallKind) -> Self {
        Self::Call(kind)
    }
}

impl PartialEq<OpKind> for Kind {
    fn eq(&self, other: &OpKind) -> bool {
        *self == Self::Operation(*other)
    }
}

impl PartialEq<CallKind> for Kind {
    fn eq(&self, other: &CallKind) -> bool {
        *self == Self::Call(*other)
    }
}
