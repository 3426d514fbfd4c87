//! What a child of a group may give.

use std::convert::Infallible;

/// What the future of a child gives: `()`, or a `Result` whose errors go to the group.
pub trait Outcome<E> {
    /// What the child's [`TaskHandle`](super::TaskHandle) gives.
    type Value;

    #[doc(hidden)]
    fn settle(self) -> Settled<Self::Value, E>;
}

/// What a child has come to.
#[doc(hidden)]
#[derive(Debug)]
pub enum Settled<T, E> {
    /// It gave a value.
    Value(T),
    /// It failed, and the group is to know.
    Error(E),
    /// It failed, and somebody else knows already.
    Reported,
}

impl<E> Outcome<E> for () {
    type Value = ();

    fn settle(self) -> Settled<(), E> {
        Settled::Value(())
    }
}

impl<E> Outcome<E> for Infallible {
    type Value = Infallible;

    fn settle(self) -> Settled<Infallible, E> {
        match self {}
    }
}

impl<T, E> Outcome<E> for Result<T, E> {
    type Value = T;

    fn settle(self) -> Settled<T, E> {
        match self {
            Ok(value) => Settled::Value(value),
            Err(error) => Settled::Error(error),
        }
    }
}

/// The outcome of a child that is started with [`TaskGroup::start`](super::TaskGroup::start).
pub(super) enum StartOutcome<T, E> {
    Ended(Result<T, E>),
    /// The error has gone to who called `start`.
    Reported,
}

impl<T, E> Outcome<E> for StartOutcome<T, E> {
    type Value = T;

    fn settle(self) -> Settled<T, E> {
        match self {
            Self::Ended(result) => result.settle(),
            Self::Reported => Settled::Reported,
        }
    }
}
