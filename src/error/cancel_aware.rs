//! Recognising a cancellation, and the stage before it, in an error of any type.

use super::Stopping;
use super::{
    Cancelled, Error,
    inside::{Wanted, inside},
};
use std::{error::Error as StdError, io, ops::Deref};

/// Marks the [`CancelAware`] of error types. Always inferred.
#[derive(Debug)]
pub enum ViaError {}

/// Marks the [`CancelAware`] of types that lead to an error, such as `anyhow::Error` and boxed errors. Always
/// inferred.
#[derive(Debug)]
pub enum ViaDeref {}

/// An error that may be, or carry along its [`source`](StdError::source)s, a cancellation.
///
/// Implemented for every error type (`E: std::error::Error + 'static`) and for everything that derefs to
/// `dyn Error + Send + Sync`: `anyhow::Error`, `Box<dyn Error + Send + Sync>` and their like. There is nothing to
/// implement or derive. `Via` only keeps the two apart.
pub trait CancelAware<Via> {
    /// The error as a trait object.
    fn as_error(&self) -> &(dyn StdError + 'static);

    /// Whether this is a cancellation.
    fn is_cancelled(&self) -> bool {
        is_cancellation(self.as_error())
    }

    /// Whether this says that a scope is [finishing](Error::Finishing).
    fn is_finishing(&self) -> bool {
        stage_of(self.as_error()) == Some(Stopping::Finish)
    }
}

impl<E: StdError + 'static> CancelAware<ViaError> for E {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        self
    }
}

impl<E: Deref<Target = dyn StdError + Send + Sync>> CancelAware<ViaDeref> for E {
    fn as_error(&self) -> &(dyn StdError + 'static) {
        &**self
    }
}

/// How an error of some type becomes a trait object.
pub(crate) type AsError<E> = fn(&E) -> &(dyn StdError + 'static);

/// Whether an error is, or carries, a cancellation.
pub(crate) fn is_cancellation(error: &(dyn StdError + 'static)) -> bool {
    stage_of(error) == Some(Stopping::Cancel)
}

/// Which stage of a scope's end an error is, or carries, if any.
pub(crate) fn stage_of(error: &(dyn StdError + 'static)) -> Option<Stopping> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<Cancelled>() || matches!(error.downcast_ref(), Some(Error::Cancelled(_))) {
            return Some(Stopping::Cancel);
        }
        if let Some(Error::Finishing) = error.downcast_ref() {
            return Some(Stopping::Finish);
        }
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.raw_os_error() == Some(libc::ECANCELED))
        {
            return Some(Stopping::Cancel);
        }
        next = inside(error, Wanted::Stage);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Wrapped(Box<dyn StdError + Send + Sync>);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl StdError for Wrapped {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    fn cancelled<E: CancelAware<V>, V>(error: E) -> bool {
        error.is_cancelled()
    }

    #[test]
    fn a_cancellation_is_found_at_any_depth_and_in_any_dress() {
        assert!(cancelled(Cancelled::new()));
        assert!(cancelled(Error::from(Cancelled::new())));
        assert!(cancelled(io::Error::from(Cancelled::new())));
        assert!(cancelled(io::Error::other(Cancelled::new())));
        assert!(cancelled(Wrapped(Box::new(Wrapped(Box::new(Error::from(Cancelled::new())))))));
        assert!(cancelled(Box::<dyn StdError + Send + Sync>::from(Cancelled::new())));
        assert!(cancelled(io::Error::other(Wrapped(Box::new(Cancelled::new())))));
    }

    #[test]
    fn finishing_is_found_as_well_and_is_no_cancellation() {
        fn finishing<E: CancelAware<V>, V>(error: E) -> bool {
            error.is_finishing() && !error.is_cancelled()
        }
        assert!(finishing(Error::Finishing));
        assert!(finishing(io::Error::from(Error::Finishing)));
        assert!(finishing(anyhow::Error::from(Error::Finishing).context("serving")));
        assert!(!finishing(Error::from(Cancelled::new())));
        assert!(!finishing(Error::from(crate::TimedOut::new())));
    }

    #[test]
    fn other_errors_are_none() {
        assert!(!cancelled(Error::from(crate::TimedOut::new())));
        assert!(!cancelled(io::Error::from(io::ErrorKind::Interrupted)));
        assert!(!cancelled(Box::<dyn StdError + Send + Sync>::from("no")));
    }
}
