//! Files and folders.
//!
//! What the kernel's ring (or the poll back end) can do on files is done there; the rest is done by worker threads
//! ([`to_thread`]). On Linux short reads of what is in the page cache, which wait for nothing, are done at
//! once. Names and meanings are those of [`std::fs`]. Buffers are owned by the operation
//! while the kernel uses them and come back with the result.
//!
//! # Cancellation
//! In a cancelled scope nothing is begun. Reading and opening are cancelled while they are under way, as far as the
//! kernel can still do so. What changes a file or a folder is not: once begun it is awaited, its result is told, and
//! the cancellation shows at the next checkpoint. So `Cancelled` always means that it did not happen.

mod aligned_buffer;
pub mod attribute;
mod attributes;
#[cfg(target_os = "linux")]
mod cached;
#[cfg(not(target_os = "linux"))]
#[path = "fs/not_cached.rs"]
mod cached;
pub(crate) mod checkpoint;
mod contents;
mod copy;
mod direct;
mod fifo;
mod file;
mod glob;
mod metadata;
mod names;
mod open_options;
mod operations;
mod permissions;
mod read_dir;
mod read_stream;
mod thread;
mod times;
mod walk;
mod write_all_error;
mod write_stream;

use crate::{sync::CapacityLimiter, to_thread};
use std::rc::Rc;

pub use aligned_buffer::AlignedBuffer;
pub use attributes::{get_xattr, list_xattrs, remove_xattr, set_xattr};
pub use contents::{read, read_to_string, write};
pub use copy::copy;
pub(crate) use file::lines_of;
pub use file::{Advice, File};
pub use glob::{Glob, glob};
pub use metadata::{FileType, Metadata};
pub(crate) use names::create_dir_with_mode;
pub use names::{
    canonicalize, chown, create_dir, create_dir_all, exists, exists as try_exists, hard_link, lchown,
    metadata, read_link, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    set_permissions_nofollow, set_times, symlink, symlink_metadata,
};
pub use open_options::OpenOptions;
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use read_stream::FileReadStream;
pub use std::fs::Permissions;
pub use walk::{Walk, WalkEntry, walk};
pub use write_all_error::WriteAllError;
pub use write_stream::FileWriteStream;

/// What limits how many threads this run uses at a time for what the ring (or the poll back end) cannot do on files and
/// folders: 40 at first. Functions of the program in threads have [another](to_thread::current_default_thread_limiter).
///
/// ```
/// use anyio::{Result, fs};
///
/// # anyio::run(async || -> Result<()> {
/// fs::current_thread_limiter().set_total_tokens(4);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// Outside of a run.
pub fn current_thread_limiter() -> Rc<CapacityLimiter> {
    to_thread::limiter_for_files()
}

/// Gives this run another limiter for files and folders. What has begun, or waits for its turn, keeps that which it has.
///
/// # Panics
/// Outside of a run.
pub fn set_thread_limiter(limiter: &Rc<CapacityLimiter>) {
    to_thread::set_limiter_for_files(limiter);
}
