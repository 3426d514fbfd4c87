//! What closing several things comes to.

use crate::error::{Error, ErrorGroup, Result};

/// The error of the one that failed to close, or those of all that did as a group.
pub(super) fn all_closed(results: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    match ErrorGroup::new(results.into_iter().filter_map(Result::err)) {
        None => Ok(()),
        Some(group) => Err(group.into_single().unwrap_or_else(Error::from)),
    }
}
