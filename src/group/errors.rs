//! The errors of a group.

use crate::{error::stage_of, runtime::Stopping};
use std::{cell::RefCell, error::Error as StdError};

/// The real errors of a group so far, first in time first.
pub(super) struct Errors<E> {
    pub(super) errors: RefCell<Vec<E>>,
    /// The first cancellation from beyond the group that a child ended with. If nothing failed, the group ends with it, as
    /// not all was done, although its body may have been through already.
    pub(super) cancellation: RefCell<Option<E>>,
    pub(super) as_error: fn(&E) -> &(dyn StdError + 'static),
}

impl<E> Errors<E> {
    pub(super) fn new(as_error: fn(&E) -> &(dyn StdError + 'static)) -> Self {
        Self { errors: RefCell::default(), cancellation: RefCell::default(), as_error }
    }

    pub(super) fn stage_of(&self, error: &E) -> Option<Stopping> {
        stage_of((self.as_error)(error))
    }

    pub(super) fn push(&self, error: E) {
        self.errors.borrow_mut().push(error);
    }

    /// Keeps a child's cancellation, or gives it back if there is one already.
    pub(super) fn keep_cancellation(&self, error: E) -> Option<E> {
        let mut kept = self.cancellation.borrow_mut();
        if kept.is_some() {
            return Some(error);
        }
        *kept = Some(error);
        None
    }
}
