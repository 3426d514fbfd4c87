//! Whole files at once.

use super::{File, file::not_text};
use crate::error::Result;
use anyio_driver::IoBuf;
use std::path::Path;

/// Reads a whole file.
///
/// # Errors
/// A cancellation. [`Error::Io`](crate::Error::Io) if the file cannot be opened or read.
///
/// # Cancel safety
/// What was read is dropped.
pub async fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let mut file = File::open(path).await?;
    let (result, contents) = file.read_to_end(Vec::new()).await;
    result.map(|_| contents)
}

/// Reads a whole file as UTF-8.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) of the kind `InvalidData` if it is not UTF-8, otherwise as for [`read`].
///
/// # Cancel safety
/// What was read is dropped.
pub async fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let contents = read(path).await?;
    String::from_utf8(contents).map_err(|error| not_text(error.utf8_error(), path.display()))
}

/// Makes the bytes of `contents` the contents of a file, which is made if it is not there.
///
/// # Errors
/// A cancellation. [`Error::Io`](crate::Error::Io) if the file cannot be made or written.
///
/// # Cancel safety
/// The file may be there with a part of the contents, or empty. A file that must have either its old or its new
/// contents is written under another name and renamed.
pub async fn write(path: impl AsRef<Path>, contents: impl IoBuf) -> Result<()> {
    let mut file = File::create(path).await?;
    file.write_all(contents).await.0?;
    file.close().await
}
