//! Walking through folders, one at a time.

use super::Path;
use crate::{error::Result, fs};
use std::ffi::OsString;

/// The folders of a tree, each after the one it is in or, from below, before it. Made by [`Path::walk_folders`].
#[derive(Debug)]
pub struct WalkFolders {
    waiting: Vec<Waiting>,
    bottom_up: bool,
}

/// A folder that is to be given.
#[derive(Debug)]
enum Waiting {
    ToBeRead(Path),
    /// One that comes after those in it.
    Read(WalkedFolder),
}

/// A folder with the names of what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkedFolder {
    /// Where the folder is.
    pub path: Path,
    /// The folders in it. Links to folders are not among them.
    pub folders: Vec<OsString>,
    /// What else is in it.
    pub files: Vec<OsString>,
}

impl WalkFolders {
    pub(super) fn new(root: Path) -> Self {
        Self { waiting: vec![Waiting::ToBeRead(root)], bottom_up: false }
    }

    /// Whether each folder comes after those in it, as is needed for removing them. No by default.
    #[must_use]
    pub fn bottom_up(mut self, bottom_up: bool) -> Self {
        self.bottom_up = bottom_up;
        self
    }

    /// The next folder, or `None` when all have been given.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`](crate::Error::Io) if a folder cannot be read; the walk can be continued without it.
    ///
    /// # Cancel safety
    /// The next call gives the folder that this one would have given.
    pub async fn next(&mut self) -> Result<Option<WalkedFolder>> {
        loop {
            let path = match self.waiting.pop() {
                None => return Ok(None),
                Some(Waiting::Read(folder)) => return Ok(Some(folder)),
                Some(Waiting::ToBeRead(path)) => path,
            };
            // Should this future be dropped, the folder is read by the next one.
            self.waiting.push(Waiting::ToBeRead(path.clone()));
            let read = read(path).await;
            if !read.as_ref().is_err_and(|error| matches!(error, crate::Error::Cancelled(_))) {
                self.waiting.pop();
            }
            let folder = read?;
            // The next one is taken from the end.
            let inside: Vec<_> =
                folder.folders.iter().rev().map(|name| Waiting::ToBeRead(&folder.path / name)).collect();
            if !self.bottom_up {
                self.waiting.extend(inside);
                return Ok(Some(folder));
            }
            self.waiting.push(Waiting::Read(folder));
            self.waiting.extend(inside);
        }
    }
}

async fn read(path: Path) -> Result<WalkedFolder> {
    let mut entries = fs::read_dir(&path).await?;
    let mut folder = WalkedFolder { path, folders: Vec::new(), files: Vec::new() };
    while let Some(entry) = entries.next().await? {
        let name = entry.file_name().to_owned();
        if entry.file_type().is_dir() { folder.folders.push(name) } else { folder.files.push(name) }
    }
    Ok(folder)
}
