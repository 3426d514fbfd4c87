//! Copying files.

#[cfg(target_os = "linux")]
mod clone;
#[cfg(not(target_os = "linux"))]
#[path = "copy/no_clone.rs"]
mod clone;

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
mod holes;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
#[path = "copy/no_holes.rs"]
mod holes;

use super::{fifo::block, thread::arrow};
use crate::{
    error::{Error, Result},
    to_thread,
};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// How many bytes are copied before a cancellation is looked for.
const PIECE: u64 = 32 << 20;

/// In what `st_blocks` counts.
const BLOCK: u64 = 512;

/// A copy on its way.
struct Copy {
    from: File,
    to: File,
    /// How far it has come in both files.
    position: u64,
    /// Where the part with contents ends that is being copied.
    contents_end: u64,
    /// The length of a file with holes, which are left out.
    sparse_length: Option<u64>,
    ended: bool,
}

/// Copies a file's contents and permissions, and gives how many bytes it was. The new file is made if it is not there,
/// and replaced if it is. Where the file system can, both share the contents until one of them is changed, or it copies
/// them by itself. Holes are left out, so the copy of a file with holes takes no more room than the file.
///
/// # Errors
/// A cancellation. [`Error::Io`] if the system refuses, and of the kind `InvalidInput` if `from` is no regular file, or `to`
/// is a named pipe, a socket or the same file. Pipes are not opened, which might wait for ever.
///
/// # Cancel safety
/// A cancellation is looked for after each 32 MiB. The new file may be there with a part of the contents.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
    let paths = (from.as_ref(), to.as_ref());
    let failed = |error| Error::of_operation(error, "copy", arrow(paths));
    let (from, to) = (paths.0.to_owned(), paths.1.to_owned());
    let mut copy = to_thread::for_files(move || Copy::begin(&from, &to)?.go_on()).await?.map_err(failed)?;
    while !copy.ended {
        copy = to_thread::for_files(move || copy.go_on()).await?.map_err(failed)?;
    }
    Ok(copy.position)
}

impl Copy {
    fn begin(from: &Path, to: &Path) -> io::Result<Self> {
        check_source(&fs::metadata(from)?)?;
        if let Ok(there) = fs::metadata(to) {
            check_target(&there)?;
        }
        // Should one of them have become a pipe meanwhile, opening it does not wait.
        let from = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(from)?;
        let metadata = from.metadata()?;
        check_source(&metadata)?;
        let permissions = metadata.permissions();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(permissions.mode());
        let to = options.custom_flags(libc::O_NONBLOCK).open(to)?;
        let replaced = to.metadata()?;
        check_target(&replaced)?;
        if (replaced.dev(), replaced.ino()) == (metadata.dev(), metadata.ino()) {
            return Err(invalid("a file cannot be copied to itself"));
        }
        let mut copy =
            Self { from, to, position: 0, contents_end: u64::MAX, sparse_length: None, ended: false };
        // Of devices the permissions and the length are nobody's business here.
        if !replaced.is_file() {
            copy.to = block(copy.to)?;
            return Ok(copy);
        }
        copy.to.set_len(0)?;
        copy.to.set_permissions(permissions)?;
        if let Some(copied) = clone::clone(&copy.from, &copy.to) {
            (copy.position, copy.ended) = (copied, true);
        } else if metadata.blocks().saturating_mul(BLOCK) < metadata.len() {
            (copy.contents_end, copy.sparse_length) = (0, Some(metadata.len()));
        }
        Ok(copy)
    }

    /// Copies the next piece.
    fn go_on(mut self) -> io::Result<Self> {
        let mut left = PIECE;
        while left > 0 && !self.ended {
            if self.position >= self.contents_end && !self.pass_hole()? {
                break;
            }
            let wanted = left.min(self.contents_end - self.position);
            let count = io::copy(&mut (&self.from).take(wanted), &mut self.to)?;
            self.position += count;
            left -= wanted;
            // Also before it is as long as it says, as what the kernel tells of itself in files is.
            self.ended = count < wanted;
        }
        if self.ended && self.sparse_length.is_some() {
            self.to.set_len(self.position)?;
        }
        Ok(self)
    }

    /// Goes on to the next part with contents. False if there is none, which is the end.
    fn pass_hole(&mut self) -> io::Result<bool> {
        let Some(contents) = holes::next_contents(&self.from, self.position)? else {
            self.ended = true;
            self.position = self.position.max(self.sparse_length.unwrap_or_default());
            return Ok(false);
        };
        self.from.seek(SeekFrom::Start(contents.start))?;
        self.to.seek(SeekFrom::Start(contents.start))?;
        (self.position, self.contents_end) = (contents.start, contents.end);
        Ok(true)
    }
}

fn check_source(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(invalid("the source is not a regular file")) }
}

fn check_target(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_fifo() || kind.is_socket() {
        return Err(invalid("the target is a named pipe or a socket"));
    }
    Ok(())
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
