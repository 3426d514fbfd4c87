//! Files and folders.
//!
//! What the kernel's ring (or the poll back end) can do on files is done there; the rest is done by worker threads
//! ([`to_thread`](crate::to_thread)). Names and meanings are those of [`std::fs`]. Buffers are owned by the operation
//! while the kernel uses them and come back with the result.
//!
//! # Cancellation
//! In a cancelled scope nothing is begun. Reading and opening are cancelled while they are under way, as far as the
//! kernel can still do so. What changes a file or a folder is not: once begun it is awaited, its result is told, and
//! the cancellation shows at the next checkpoint. So `Cancelled` always means that it did not happen.

mod contents;
mod file;
mod metadata;
mod open_options;
mod operations;
mod thread;
mod write_all_error;

pub use contents::{read, read_to_string, write};
pub use file::{Advice, File};
pub use metadata::{FileType, Metadata};
pub use open_options::OpenOptions;
pub use std::fs::Permissions;
pub use write_all_error::WriteAllError;
