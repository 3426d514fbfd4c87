//! Open files.

mod control;
mod cursor;
mod locking;
mod positioned;
mod stream;

pub use control::Advice;
pub(crate) use cursor::lines_of;
pub(super) use cursor::not_text;

use super::{
    Metadata,
    cached::Cached,
    checkpoint,
    operations::{self, check_position},
};
use crate::{
    error::{Error, Result},
    runtime::{Descriptor, Refusal, calls},
};
use anyio_driver::FileStatus;
use cursor::Cursor;
use libc::c_int;
use std::{
    cell::Cell,
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::Path,
};

/// An open file.
///
/// There are two ways to read and write. With a position (`read_at`, `write_at`), any number of tasks may do so at a
/// time. With the file's cursor (`read`, `write`, `seek`), it takes `&mut`, so only one can. The cursor is kept by this
/// value and not by the system, and moves only by what has succeeded.
///
/// Buffers are lent to the kernel: they go into a call by value and come back with its result.
///
/// ```
/// use anyio::{Result, fs::File};
///
/// # anyio::run(async || -> Result<()> {
/// # let path = std::env::temp_dir().join(format!("anyio-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).await?;
/// file.write_all("hello, world").await.0?;
///
/// let (count, buffer) = file.read_at(Vec::with_capacity(5), 7).await;
/// assert_eq!((count?, &buffer[..]), (5, &b"world"[..]));
/// file.close().await?;
/// # std::fs::remove_file(&path)?;
/// # Ok(()) }).unwrap();
/// ```
///
/// A file that is dropped is closed at once, or when the last operation on it has ended whose future was dropped. On file
/// systems of networks and in user space that may block the thread until what was written has been sent;
/// [`close`](Self::close) does not, and tells how it went.
pub struct File {
    descriptor: Descriptor,
    cursor: Cursor,
    flags: c_int,
    path: Option<Box<Path>>,
    cached: Cached,
    /// Whether the file is known to lie on a local file system.
    local: Cell<bool>,
    /// Whether it is known to be a regular file.
    regular: Cell<bool>,
}

impl File {
    pub(super) fn of_path(descriptor: Descriptor, path: &Path, flags: c_int) -> Self {
        Self {
            descriptor,
            cursor: Cursor::default(),
            flags,
            path: Some(path.into()),
            cached: Cached::default(),
            local: Cell::new(false),
            regular: Cell::new(false),
        }
    }

    /// The path with which the file was opened, if it was opened here.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Another handle to the same file. Its cursor begins where this one's stands, and is its own.
    ///
    /// # Errors
    /// [`Error::Io`] if the process has too many descriptors.
    pub fn try_clone(&self) -> Result<Self> {
        let copy = calls::duplicate(&self.descriptor)
            .map_err(|error| Error::of_operation(error, "duplicate", self.subject()))?;
        Ok(Self {
            descriptor: Descriptor::new(copy),
            cursor: self.cursor,
            flags: self.flags,
            path: self.path.clone(),
            cached: self.cached.clone(),
            local: self.local.clone(),
            regular: self.regular.clone(),
        })
    }

    /// Closes the file and tells how that went: some file systems report only here that data could not be written.
    /// What has to survive a loss of power must be synchronized before ([`sync_all`](Self::sync_all)).
    ///
    /// # Errors
    /// [`Error::Io`] with what the system says. The file is closed all the same.
    ///
    /// # Cancel safety
    /// The file is closed also in a cancelled scope, and when the future is dropped.
    pub async fn close(mut self) -> Result<()> {
        // One that has nothing to be written, and no server to be told, waits for nothing but operations that are in flight.
        if self.local.get() && self.flags & libc::O_ACCMODE == libc::O_RDONLY {
            match self.descriptor.into_owned() {
                Ok(descriptor) => {
                    drop(descriptor);
                    checkpoint::let_others_run().await;
                    return Ok(());
                }
                Err(shared) => self.descriptor = shared,
            }
        }
        let subject = self.subject().to_string();
        self.descriptor.close().await.map_err(|error| Error::of_operation(error, "close", subject))
    }

    /// The same file for the standard library, with its cursor where this one's stands.
    ///
    /// # Errors
    /// Gives the file back if an operation that was abandoned is still under way on it.
    pub fn into_std(self) -> Result<std::fs::File, Self> {
        OwnedFd::try_from(self).map(Into::into)
    }

    /// What is known of the file besides its contents.
    pub(super) async fn status(&self) -> Result<FileStatus, Refusal> {
        let (status, at_once) = operations::of_descriptor(&self.descriptor).await?;
        self.local.set(at_once);
        self.regular.set(Metadata::new(status).is_file());
        Ok(status)
    }

    /// How errors name the file.
    pub(super) fn subject(&self) -> impl fmt::Display + '_ {
        Subject(self)
    }

    /// The error of a refused operation.
    pub(super) fn refused(&self, refusal: Refusal, operation: &'static str) -> Error {
        if self.is_direct()
            && refusal == Refusal::System(libc::EINVAL)
            && matches!(operation, "read" | "write")
        {
            return Error::of_operation(misaligned(), operation, self.subject());
        }
        refusal.on(operation, self.subject())
    }

    fn is_direct(&self) -> bool {
        super::direct::is_direct(self.flags)
    }

    pub(super) fn appends(&self) -> bool {
        self.flags & libc::O_APPEND != 0
    }

    /// A share of the descriptor, for operations of others.
    pub(super) fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    /// A position as the drivers take it.
    fn check(&self, position: u64, length: usize) -> Result<(), Refusal> {
        check_position(position, length)
    }
}

fn misaligned() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "with direct access the buffer's address, its length and the position in the file must be multiples of the \
         device's block size, mostly 512 or 4096 bytes",
    )
}

struct Subject<'a>(&'a File);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.path() {
            Some(path) => path.display().fmt(f),
            None => write!(f, "descriptor {}", self.0.descriptor.raw()),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("descriptor", &self.descriptor)
            .field("path", &self.path)
            .field("cursor", &self.cursor)
            .finish()
    }
}

impl From<OwnedFd> for File {
    /// The cursor begins where the system's stands.
    fn from(descriptor: OwnedFd) -> Self {
        // It fails only for what is no open descriptor, and then so does each use of it.
        let flags = calls::mode(descriptor.as_fd()).unwrap_or(0);
        Self {
            descriptor: Descriptor::new(descriptor),
            cursor: Cursor::default(),
            flags,
            path: None,
            cached: Cached::default(),
            local: Cell::new(false),
            regular: Cell::new(false),
        }
    }
}

impl From<std::fs::File> for File {
    /// The cursor begins where the file's stands.
    fn from(file: std::fs::File) -> Self {
        OwnedFd::from(file).into()
    }
}

impl TryFrom<File> for OwnedFd {
    type Error = File;

    /// The descriptor, with the system's cursor where the file's stands. Gives the file back if an operation that was
    /// abandoned is still under way on it.
    fn try_from(file: File) -> Result<Self, File> {
        let File { descriptor, cursor, flags, path, cached, local, regular } = file;
        match descriptor.into_owned() {
            Ok(descriptor) => {
                cursor.hand_over(descriptor.as_raw_fd());
                Ok(descriptor)
            }
            Err(descriptor) => Err(File { descriptor, cursor, flags, path, cached, local, regular }),
        }
    }
}

impl TryFrom<File> for std::fs::File {
    type Error = File;

    fn try_from(file: File) -> Result<Self, File> {
        file.into_std()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.raw()
    }
}
