//! Extended attributes: small pieces of data that belong to a file and have names such as `user.origin`.

use super::thread;
use crate::error::Result;
use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// The value of a file's extended attribute, or `None` if it has none of this name. Links are followed.
///
/// # Errors
/// A cancellation. [`Error::Io`](crate::Error::Io) if the system refuses, also because the file system has no such thing.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn get_xattr(path: impl AsRef<Path>, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>> {
    let name = name.as_ref().to_owned();
    thread::with_path("getxattr", path.as_ref(), move |path| xattr::get_deref(path, name)).await
}

/// Sets a file's extended attribute. Links are followed.
///
/// # Errors
/// As for [`get_xattr`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn set_xattr(
    path: impl AsRef<Path>,
    name: impl AsRef<OsStr>,
    value: impl Into<Vec<u8>>,
) -> Result<()> {
    let (name, value) = (name.as_ref().to_owned(), value.into());
    thread::with_path("setxattr", path.as_ref(), move |path| xattr::set_deref(path, name, &value)).await
}

/// Removes a file's extended attribute. Links are followed.
///
/// # Errors
/// As for [`get_xattr`], also if there is none of this name.
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn remove_xattr(path: impl AsRef<Path>, name: impl AsRef<OsStr>) -> Result<()> {
    let name = name.as_ref().to_owned();
    thread::with_path("removexattr", path.as_ref(), move |path| xattr::remove_deref(path, name)).await
}

/// The names of a file's extended attributes. Links are followed.
///
/// # Errors
/// As for [`get_xattr`].
///
/// # Cancel safety
/// Nothing is lost.
pub async fn list_xattrs(path: impl AsRef<Path>) -> Result<Vec<OsString>> {
    thread::with_path("listxattr", path.as_ref(), |path| Ok(xattr::list_deref(path)?.collect())).await
}
