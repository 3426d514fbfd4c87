//! Walking through folders, one at a time.

use super::Path;
use crate::{error::Result, fs};
use std::ffi::OsString;

/// The folders of a tree, each after the one it is in. Made by [`Path::walk_folders`].
#[derive(Debug)]
pub struct WalkFolders {
    waiting: Vec<Path>,
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
        Self { waiting: vec![root] }
    }

    /// The next folder, or `None` when all have been given.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`](crate::Error::Io) if a folder cannot be read; the walk can be continued without it.
    ///
    /// # Cancel safety
    /// The next call gives the folder that this one would have given.
    pub async fn next(&mut self) -> Result<Option<WalkedFolder>> {
        let Some(path) = self.waiting.last().cloned() else { return Ok(None) };
        let read = read(path).await;
        if !read.as_ref().is_err_and(|error| matches!(error, crate::Error::Cancelled(_))) {
            self.waiting.pop();
        }
        let folder = read?;
        // The next one is taken from the end.
        self.waiting.extend(folder.folders.iter().rev().map(|name| &folder.path / name));
        Ok(Some(folder))
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
