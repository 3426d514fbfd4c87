//! What is known of a file besides its contents.

#[cfg(target_os = "linux")]
#[path = "metadata/statx.rs"]
mod raw;
#[cfg(not(target_os = "linux"))]
#[path = "metadata/stat.rs"]
mod raw;

use anyio_driver::FileStatus;
use libc::mode_t;
use std::{
    fmt,
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What is known of a file besides its contents, like [`std::fs::Metadata`] with its Unix extension.
#[derive(Clone)]
pub struct Metadata(FileStatus);

/// A moment as the kernel gives it: seconds since 1970, and nanoseconds.
type Moment = (i64, i64);

impl Metadata {
    pub(super) fn new(status: FileStatus) -> Self {
        Self(status)
    }

    /// What kind of thing this is.
    pub fn file_type(&self) -> FileType {
        FileType(raw::kind(&self.0))
    }

    /// Whether this is a folder.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Whether this is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Whether this is a symbolic link. Never so for what was found by following links.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// The size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "as in the standard library")]
    pub fn len(&self) -> u64 {
        raw::size(&self.0)
    }

    /// Who may do what with it.
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.mode())
    }

    /// When the contents were changed last.
    ///
    /// # Errors
    /// If this clock cannot express that moment.
    pub fn modified(&self) -> io::Result<SystemTime> {
        time(raw::modified(&self.0))
    }

    /// When the contents were read last, as far as the file system keeps note of it.
    ///
    /// # Errors
    /// If this clock cannot express that moment.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        time(raw::accessed(&self.0))
    }

    /// When the file was made.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if the file system or the host does not know.
    pub fn created(&self) -> io::Result<SystemTime> {
        time(raw::created(&self.0).ok_or(io::ErrorKind::Unsupported)?)
    }

    /// The number of the device on which the file is.
    pub fn dev(&self) -> u64 {
        raw::device(&self.0)
    }

    /// The file's number on its device.
    pub fn ino(&self) -> u64 {
        raw::inode(&self.0)
    }

    /// Kind and permissions, as bits.
    pub fn mode(&self) -> u32 {
        raw::mode(&self.0)
    }

    /// How many names the file has.
    pub fn nlink(&self) -> u64 {
        raw::links(&self.0)
    }

    /// The owner's number.
    pub fn uid(&self) -> u32 {
        raw::user(&self.0)
    }

    /// The group's number.
    pub fn gid(&self) -> u32 {
        raw::group(&self.0)
    }

    /// The number of the device which this is, if it is one.
    pub fn rdev(&self) -> u64 {
        raw::special_device(&self.0)
    }

    /// When the contents were read last: whole seconds since 1970.
    pub fn atime(&self) -> i64 {
        raw::accessed(&self.0).0
    }

    /// When the contents were read last: nanoseconds beyond the whole seconds.
    pub fn atime_nsec(&self) -> i64 {
        raw::accessed(&self.0).1
    }

    /// When the contents were changed last: whole seconds since 1970.
    pub fn mtime(&self) -> i64 {
        raw::modified(&self.0).0
    }

    /// When the contents were changed last: nanoseconds beyond the whole seconds.
    pub fn mtime_nsec(&self) -> i64 {
        raw::modified(&self.0).1
    }

    /// When contents or metadata were changed last: whole seconds since 1970.
    pub fn ctime(&self) -> i64 {
        raw::changed(&self.0).0
    }

    /// When contents or metadata were changed last: nanoseconds beyond the whole seconds.
    pub fn ctime_nsec(&self) -> i64 {
        raw::changed(&self.0).1
    }

    /// The size of the pieces in which reading and writing is fastest, in bytes.
    pub fn blksize(&self) -> u64 {
        raw::block_size(&self.0)
    }

    /// How many blocks of 512 bytes the file takes on its device.
    pub fn blocks(&self) -> u64 {
        raw::blocks(&self.0)
    }
}

fn time((seconds, nanoseconds): Moment) -> io::Result<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    moment
        .and_then(|moment| moment.checked_add(Duration::from_nanos(nanoseconds as u64)))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the time is beyond this host's clock"))
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("file_type", &self.file_type())
            .field("mode", &format_args!("{:o}", self.mode() & 0o7777))
            .field("len", &self.len())
            .field("modified", &self.modified().ok())
            .finish_non_exhaustive()
    }
}

/// What kind of thing a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType(mode_t);

/// Declares the questions that a [`FileType`] answers.
macro_rules! kinds {
    ($($(#[$doc:meta])* $question:ident $bits:ident,)*) => {
        impl FileType {
            $($(#[$doc])*
            pub fn $question(&self) -> bool {
                self.0 == libc::$bits
            })*
        }
    };
}

kinds! {
    /// Whether this is a folder.
    is_dir S_IFDIR,
    /// Whether this is a regular file.
    is_file S_IFREG,
    /// Whether this is a symbolic link.
    is_symlink S_IFLNK,
    /// Whether this is a block device.
    is_block_device S_IFBLK,
    /// Whether this is a character device.
    is_char_device S_IFCHR,
    /// Whether this is a named pipe.
    is_fifo S_IFIFO,
    /// Whether this is a socket.
    is_socket S_IFSOCK,
}

impl FileType {
    /// The kind that these mode bits say.
    pub(super) fn of_mode(mode: mode_t) -> Self {
        Self(mode & libc::S_IFMT)
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            libc::S_IFDIR => "folder",
            libc::S_IFREG => "file",
            libc::S_IFLNK => "symbolic link",
            libc::S_IFBLK => "block device",
            libc::S_IFCHR => "character device",
            libc::S_IFIFO => "named pipe",
            libc::S_IFSOCK => "socket",
            _ => "unknown",
        })
    }
}
