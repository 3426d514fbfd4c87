//! Temporary files and folders.
//!
//! All of them are removed when they are closed, and also when they are merely dropped, for example because a
//! cancellation leads past them. Closing is the better way: it tells of errors, and the removal takes place on a worker
//! thread, whereas a drop removes on the spot and blocks meanwhile.
//!
//! They are their maker's alone: files have the mode 0o600 and folders 0o700, whatever the process's mask is.

mod builder;
mod directory;
mod named;
mod nameless;
mod spooled;

pub use builder::Builder;
pub use directory::TemporaryDirectory;
pub use named::NamedTemporaryFile;
pub use nameless::TemporaryFile;
pub use spooled::SpooledTemporaryFile;

use crate::{Path, error::Result, fs::File};

/// The folder in which temporary files are made unless another is named: that of the environment's `TMPDIR`, or `/tmp`.
pub fn gettempdir() -> Path {
    std::env::temp_dir().into()
}

/// Makes a file with a name of its own, which is not removed.
///
/// # Errors
/// A cancellation. [`Error::Io`](crate::Error::Io) if the file cannot be made.
///
/// # Cancel safety
/// A file that was made is given. If the future is dropped, the file is removed.
pub async fn mkstemp() -> Result<(File, Path)> {
    NamedTemporaryFile::new().await?.keep()
}

/// Makes a folder with a name of its own, which is not removed.
///
/// # Errors
/// A cancellation. [`Error::Io`](crate::Error::Io) if the folder cannot be made.
///
/// # Cancel safety
/// A folder that was made is given. If the future is dropped, the folder is removed.
pub async fn mkdtemp() -> Result<Path> {
    Ok(TemporaryDirectory::new().await?.keep())
}
