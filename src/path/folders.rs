//! Walking through folders, one at a time.

use super::{Path, there::there};
use crate::{error::Result, fs};
use std::{ffi::OsString, rc::Rc};

/// The folders of a tree, each after the one it is in or, from below, before it. Made by [`Path::walk_folders`].
#[derive(Debug)]
pub struct WalkFolders {
    waiting: Vec<Waiting>,
    bottom_up: bool,
    follow_links: bool,
}

/// A folder that is to be given.
#[derive(Debug)]
enum Waiting {
    ToBeRead(Folder),
    /// One that comes after those in it.
    Read(WalkedFolder),
}

/// A folder to be read, and where links are followed those it is in, so that they cannot lead in circles.
#[derive(Debug, Clone)]
struct Folder {
    path: Path,
    above: Option<Rc<Ancestor>>,
}

/// A folder on the way from the root, by device and inode.
#[derive(Debug)]
struct Ancestor {
    identity: (u64, u64),
    above: Option<Rc<Ancestor>>,
}

/// A folder with the names of what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkedFolder {
    /// Where the folder is.
    pub path: Path,
    /// The folders in it, and where links are followed the links to folders.
    pub folders: Vec<OsString>,
    /// What else is in it.
    pub files: Vec<OsString>,
}

impl WalkFolders {
    pub(super) fn new(root: Path) -> Self {
        let root = Folder { path: root, above: None };
        Self { waiting: vec![Waiting::ToBeRead(root)], bottom_up: false, follow_links: false }
    }

    /// Whether each folder comes after those in it, as is needed for removing them. No by default.
    #[must_use]
    pub fn bottom_up(mut self, bottom_up: bool) -> Self {
        self.bottom_up = bottom_up;
        self
    }

    /// Whether links to folders are walked into and counted among the folders. A link to a folder that it is in is counted
    /// but not walked into. No by default.
    #[must_use]
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.follow_links = follow;
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
            let folder = match self.waiting.pop() {
                None => return Ok(None),
                Some(Waiting::Read(folder)) => return Ok(Some(folder)),
                Some(Waiting::ToBeRead(folder)) => folder,
            };
            // Should this future be dropped, the folder is read by the next one.
            self.waiting.push(Waiting::ToBeRead(folder.clone()));
            let read = if self.follow_links { read_following(folder).await } else { read(folder.path).await };
            if !read.as_ref().is_err_and(|error| matches!(error, crate::Error::Cancelled(_))) {
                self.waiting.pop();
            }
            let (folder, inside) = read?;
            // The next one is taken from the end.
            let inside: Vec<_> = inside.into_iter().rev().map(Waiting::ToBeRead).collect();
            if !self.bottom_up {
                self.waiting.extend(inside);
                return Ok(Some(folder));
            }
            self.waiting.push(Waiting::Read(folder));
            self.waiting.extend(inside);
        }
    }
}

/// Reads a folder. Gives those in it that are to be walked into, too.
async fn read(path: Path) -> Result<(WalkedFolder, Vec<Folder>)> {
    let mut entries = fs::read_dir(&path).await?;
    let mut folder = WalkedFolder { path, folders: Vec::new(), files: Vec::new() };
    while let Some(entry) = entries.next().await? {
        let name = entry.file_name().to_owned();
        if entry.file_type().is_dir() { folder.folders.push(name) } else { folder.files.push(name) }
    }
    let inside = folder.folders.iter().map(|name| Folder { path: &folder.path / name, above: None });
    let inside = inside.collect();
    Ok((folder, inside))
}

/// Reads a folder, counting links to folders among these.
async fn read_following(Folder { path, above }: Folder) -> Result<(WalkedFolder, Vec<Folder>)> {
    let itself = identity(&fs::metadata(&path).await?);
    let above = Some(Rc::new(Ancestor { identity: itself, above }));
    let mut entries = fs::read_dir(&path).await?;
    let mut folder = WalkedFolder { path, folders: Vec::new(), files: Vec::new() };
    let mut inside = Vec::new();
    while let Some(entry) = entries.next().await? {
        let (name, path) = (entry.file_name().to_owned(), &folder.path / entry.file_name());
        let target = match entry.file_type().is_symlink() {
            true => there(fs::metadata(&path).await)?.filter(fs::Metadata::is_dir),
            false => None,
        };
        if !entry.file_type().is_dir() && target.is_none() {
            folder.files.push(name);
            continue;
        }
        folder.folders.push(name);
        let mut ancestors = std::iter::successors(above.as_deref(), |ancestor| ancestor.above.as_deref());
        if target.is_none_or(|target| ancestors.all(|ancestor| ancestor.identity != identity(&target))) {
            inside.push(Folder { path, above: above.clone() });
        }
    }
    Ok((folder, inside))
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
