//! Listing folders.

use super::{FileType, Metadata, checkpoint::checkpoint, symlink_metadata};
use crate::{
    error::{Error, Result},
    to_thread,
};
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fmt, fs, io,
    os::unix::fs::{DirEntryExt, FileTypeExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, TryLockError},
};

/// How many entries a worker thread reads at a time.
const BATCH: usize = 512;

/// Lists what is in a folder, except `.` and `..`, in no particular order.
///
/// ```
/// use anyio::{Result, fs};
///
/// # anyio::run(async || -> Result<()> {
/// let mut entries = fs::read_dir("/").await?;
/// let mut folders = 0;
/// while let Some(entry) = entries.next().await? {
///     folders += usize::from(entry.file_type().is_dir());
/// }
/// assert!(folders > 0);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// A cancellation. [`Error::Io`] if the system refuses.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn read_dir(path: impl AsRef<Path>) -> Result<ReadDir> {
    let path: Arc<Path> = path.as_ref().into();
    let owned = Arc::clone(&path);
    let listing = to_thread::for_files(move || Listing::open(owned)).await?;
    let listing = listing.map_err(|error| Error::of_operation(error, "list", path.display()))?;
    Ok(ReadDir { path, listing: Arc::new(Mutex::new(listing)) })
}

/// The entries of a folder, read in batches. Made by [`read_dir`].
pub struct ReadDir {
    path: Arc<Path>,
    listing: Arc<Mutex<Listing>>,
}

struct Listing {
    path: Arc<Path>,
    entries: fs::ReadDir,
    ready: VecDeque<io::Result<DirEntry>>,
    ended: bool,
}

impl ReadDir {
    /// The next entry, or `None` after the last.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if the entry cannot be read; there may be others after it.
    ///
    /// # Cancel safety
    /// No entry is lost.
    pub async fn next(&mut self) -> Result<Option<DirEntry>> {
        checkpoint().await?;
        loop {
            // It can be locked by a worker only if an earlier call was dropped; then the next worker waits for that one.
            let listing = match self.listing.try_lock() {
                Ok(listing) => Some(listing),
                Err(TryLockError::Poisoned(listing)) => Some(listing.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(mut listing) = listing {
                if let Some(entry) = listing.ready.pop_front() {
                    let entry =
                        entry.map_err(|error| Error::of_operation(error, "list", self.path.display()));
                    return entry.map(Some);
                }
                if listing.ended {
                    return Ok(None);
                }
            }
            let listing = Arc::clone(&self.listing);
            to_thread::for_files(move || listing.lock().unwrap_or_else(PoisonError::into_inner).read())
                .await?;
        }
    }
}

impl Listing {
    fn open(path: Arc<Path>) -> io::Result<Self> {
        let mut listing = Self { entries: fs::read_dir(&path)?, path, ready: VecDeque::new(), ended: false };
        listing.read();
        Ok(listing)
    }

    /// Reads the next entries.
    fn read(&mut self) {
        while self.ready.len() < BATCH && !self.ended {
            match self.entries.next() {
                Some(entry) => {
                    let entry = entry.and_then(|entry| DirEntry::new(&self.path, &entry));
                    self.ready.push_back(entry);
                }
                None => self.ended = true,
            }
        }
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadDir").field(&self.path).finish()
    }
}

/// Something in a folder.
#[derive(Clone)]
pub struct DirEntry {
    folder: Arc<Path>,
    name: OsString,
    file_type: FileType,
    inode: u64,
}

impl DirEntry {
    /// Blocks, on some file systems.
    pub(super) fn new(folder: &Arc<Path>, entry: &fs::DirEntry) -> io::Result<Self> {
        Ok(Self {
            folder: Arc::clone(folder),
            name: entry.file_name(),
            file_type: FileType::of_std(entry.file_type()?),
            inode: entry.ino(),
        })
    }

    /// The folder's path as it was given, with the name.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The name in the folder.
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// What kind of thing it was when it was listed. Links are links.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// Its number on its device.
    pub fn ino(&self) -> u64 {
        self.inode
    }

    /// What is known of it besides its contents. Of a link it is what is known of the link.
    ///
    /// # Errors
    /// As for [`symlink_metadata`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn metadata(&self) -> Result<Metadata> {
        symlink_metadata(self.path()).await
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

impl FileType {
    pub(super) fn of_std(kind: fs::FileType) -> Self {
        Self::of_mode(match () {
            () if kind.is_dir() => libc::S_IFDIR,
            () if kind.is_file() => libc::S_IFREG,
            () if kind.is_symlink() => libc::S_IFLNK,
            () if kind.is_block_device() => libc::S_IFBLK,
            () if kind.is_char_device() => libc::S_IFCHR,
            () if kind.is_fifo() => libc::S_IFIFO,
            () if kind.is_socket() => libc::S_IFSOCK,
            () => 0,
        })
    }
}
