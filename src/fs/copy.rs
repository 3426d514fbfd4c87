//! Copying files.

#[cfg(target_os = "linux")]
mod clone;
#[cfg(not(target_os = "linux"))]
#[path = "copy/no_clone.rs"]
mod clone;

use super::thread::arrow;
use crate::{
    error::{Error, Result},
    to_thread,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// How many bytes are copied before a cancellation is looked for.
const PIECE: u64 = 32 << 20;

/// A copy on its way.
struct Copy {
    from: File,
    to: File,
    copied: u64,
    ended: bool,
}

/// Copies a file's contents and permissions, and gives how many bytes it was. The new file is made if it is not there,
/// and replaced if it is. Where the file system can, both share the contents until one of them is changed, or it copies
/// them by itself.
///
/// # Errors
/// A cancellation. [`Error::Io`] if the system refuses, or if `from` is no file.
///
/// # Cancel safety
/// A cancellation is looked for after each 32 MiB. The new file may be there with a part of the contents.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
    let paths = (from.as_ref(), to.as_ref());
    let failed = |error| Error::of_operation(error, "copy", arrow(paths));
    let (from, to) = (paths.0.to_owned(), paths.1.to_owned());
    let mut copy = to_thread::run_sync(move || Copy::begin(&from, &to)?.go_on()).await?.map_err(failed)?;
    while !copy.ended {
        copy = to_thread::run_sync(move || copy.go_on()).await?.map_err(failed)?;
    }
    Ok(copy.copied)
}

impl Copy {
    fn begin(from: &Path, to: &Path) -> io::Result<Self> {
        let from = File::open(from)?;
        let metadata = from.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the source is not a regular file"));
        }
        let permissions = metadata.permissions();
        let to =
            OpenOptions::new().write(true).create(true).truncate(false).mode(permissions.mode()).open(to)?;
        let replaced = to.metadata()?;
        if (replaced.dev(), replaced.ino()) == (metadata.dev(), metadata.ino()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file cannot be copied to itself"));
        }
        // Of devices and pipes the permissions and the length are nobody's business here.
        if replaced.is_file() {
            to.set_len(0)?;
            to.set_permissions(permissions)?;
            if let Some(copied) = clone::clone(&from, &to) {
                return Ok(Self { from, to, copied, ended: true });
            }
        }
        Ok(Self { from, to, copied: 0, ended: false })
    }

    /// Copies the next piece.
    fn go_on(mut self) -> io::Result<Self> {
        let count = io::copy(&mut (&self.from).take(PIECE), &mut self.to)?;
        self.copied += count;
        self.ended = count < PIECE;
        Ok(self)
    }
}
