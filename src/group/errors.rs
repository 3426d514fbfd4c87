//! The errors of a group.

use crate::error::is_cancellation;
use std::{cell::RefCell, error::Error as StdError};

/// The real errors of a group so far, first in time first.
pub(super) struct Errors<E> {
    pub(super) errors: RefCell<Vec<E>>,
    pub(super) as_error: fn(&E) -> &(dyn StdError + 'static),
}

impl<E> Errors<E> {
    pub(super) fn is_cancellation(&self, error: &E) -> bool {
        is_cancellation((self.as_error)(error))
    }

    pub(super) fn push(&self, error: E) {
        self.errors.borrow_mut().push(error);
    }
}
