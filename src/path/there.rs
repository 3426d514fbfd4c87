//! Whether there is anything under a name.

use crate::{
    error::{Error, Result},
    fs::Metadata,
};
use std::io;

/// What leads nowhere has no metadata, which is no error.
pub(super) fn there(metadata: Result<Metadata>) -> Result<Option<Metadata>> {
    match metadata {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}
