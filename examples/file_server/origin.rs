//! What an answer was made of.

use anyio::{Error, Result, fs};
use std::path::PathBuf;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that an answer was made of, and how it was.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    path: PathBuf,
    state: State,
}

impl Origin {
    pub(crate) fn new(path: PathBuf, metadata: &fs::Metadata) -> Self {
        Self { path, state: State::of(metadata) }
    }

    /// Whether it is as it was.
    pub(crate) async fn is_unchanged(&self) -> Result<bool> {
        match fs::metadata(&*self.path).await {
            Ok(metadata) => Ok(State::of(&metadata) == self.state),
            Err(error @ Error::Cancelled(_)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

impl State {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
