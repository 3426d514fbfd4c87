//! What may happen to operations.

use std::fmt;

/// Something that an operating system may do to an operation, or to a call that does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// Less is transferred than was asked for. Only where that may be: not for datagrams, with direct access, or for small
    /// writes into pipes.
    Short,
    /// The operation is interrupted before it had any effect.
    Interrupted,
    /// A call that was asked not to wait would have to.
    WouldBlock,
    /// The answer comes some turns later, after or together with those of other operations.
    Late,
    /// While an answer is late, the memory that it fills is full of something else.
    Scribbled,
    /// A cancellation goes to the kernel some turns later, and does not find what ended meanwhile.
    LateCancel,
    /// A cancelled operation ends some turns later, and a worker thread seems to be at work on it.
    SlowCancel,
    /// A receive into buffers that the driver chooses finds none.
    NoBuffers,
    /// A receive that goes on by itself ends.
    Ended,
    /// A connection is reset right after it was accepted.
    Reset,
    /// The operation fails, with an error that is usual for its kind.
    Error,
    /// A cancellation does not find the operation that it is for when the kernel is asked for the first time.
    UnfoundCancel,
    /// A cancelled operation says that it was interrupted, as one does that a worker thread was at work on.
    InterruptedByCancel,
    /// An operation is only begun a while later, on the clock of the run, as if a disk or a peer were slow. Never, unless it is
    /// asked for: a program has to be made for that, or its clock virtual.
    Slow,
}

impl Fault {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::Short,
        Self::Interrupted,
        Self::WouldBlock,
        Self::Late,
        Self::Scribbled,
        Self::LateCancel,
        Self::SlowCancel,
        Self::NoBuffers,
        Self::Ended,
        Self::Reset,
        Self::Error,
        Self::UnfoundCancel,
        Self::InterruptedByCancel,
        Self::Slow,
    ];

    /// Its name in texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Interrupted => "interrupted",
            Self::WouldBlock => "would-block",
            Self::Late => "late",
            Self::Scribbled => "scribbled",
            Self::LateCancel => "late-cancel",
            Self::SlowCancel => "slow-cancel",
            Self::NoBuffers => "no-buffers",
            Self::Ended => "ended",
            Self::Reset => "reset",
            Self::Error => "error",
            Self::UnfoundCancel => "unfound-cancel",
            Self::InterruptedByCancel => "interrupted-by-cancel",
            Self::Slow => "slow",
        }
    }

    /// Whether programs notice it. What they do not notice is the runtime's business alone.
    pub const fn is_noticed(self) -> bool {
        matches!(self, Self::Reset | Self::Error | Self::Slow)
    }

    /// How often it happens unless something else is said: so often that a short program meets it.
    pub(crate) const fn usual_rate(self) -> f64 {
        match self {
            Self::Short | Self::Late => 0.25,
            Self::Scribbled => 0.5,
            Self::LateCancel | Self::SlowCancel | Self::UnfoundCancel | Self::InterruptedByCancel => 0.3,
            Self::Interrupted | Self::WouldBlock | Self::NoBuffers | Self::Ended => 0.1,
            Self::Reset => 0.02,
            Self::Error => 0.01,
            Self::Slow => 0.0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
