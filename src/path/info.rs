//! What a path leads to, remembered.

use super::{Path, there::there};
use crate::{
    error::Result,
    fs::{self, FileType, checkpoint::checkpoint},
};
use std::cell::OnceCell;

/// What kind of thing a path leads to: asked for once, and remembered from then on, whatever happens to it meanwhile. Made by
/// [`Path::info`].
///
/// ```
/// use anyio::{Path, Result};
///
/// # anyio::run(async || -> Result<()> {
/// let info = Path::from("/dev/null").info();
/// assert!(info.exists().await? && !info.is_dir().await?);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// Of all methods: as for [`fs::metadata`], except that nothing is there. Then the next call asks again.
///
/// # Cancel safety
/// Nothing is lost.
#[derive(Debug, Clone)]
pub struct PathInfo {
    path: Path,
    /// Kinds that are known; `None` where there is nothing.
    followed: OnceCell<Option<FileType>>,
    itself: OnceCell<Option<FileType>>,
}

impl PathInfo {
    pub(super) fn new(path: Path) -> Self {
        Self { path, followed: OnceCell::new(), itself: OnceCell::new() }
    }

    async fn followed(&self) -> Result<Option<FileType>> {
        if self.followed.get().is_none() {
            // What is no link is the same either way, and may be known.
            let itself = self.itself.get().copied().flatten().filter(|kind| !kind.is_symlink());
            let kind = match itself {
                Some(kind) => Some(kind),
                None => there(fs::metadata(&self.path).await)?.map(|metadata| metadata.file_type()),
            };
            return Ok(*self.followed.get_or_init(|| kind));
        }
        checkpoint().await?;
        Ok(self.followed.get().copied().flatten())
    }

    async fn itself(&self) -> Result<Option<FileType>> {
        if self.itself.get().is_none() {
            let kind = there(fs::symlink_metadata(&self.path).await)?.map(|metadata| metadata.file_type());
            return Ok(*self.itself.get_or_init(|| kind));
        }
        checkpoint().await?;
        Ok(self.itself.get().copied().flatten())
    }

    /// Whether there is something under this name. Links are followed.
    pub async fn exists(&self) -> Result<bool> {
        Ok(self.followed().await?.is_some())
    }

    /// Whether there is something under this name, be it a link that leads nowhere.
    pub async fn lexists(&self) -> Result<bool> {
        Ok(self.itself().await?.is_some())
    }

    /// Whether the path leads to a folder. Links are followed.
    pub async fn is_dir(&self) -> Result<bool> {
        Ok(self.followed().await?.is_some_and(|kind| kind.is_dir()))
    }

    /// Whether the path leads to a regular file. Links are followed.
    pub async fn is_file(&self) -> Result<bool> {
        Ok(self.followed().await?.is_some_and(|kind| kind.is_file()))
    }

    /// Whether the path itself is a folder. A link is none.
    pub async fn is_dir_itself(&self) -> Result<bool> {
        Ok(self.itself().await?.is_some_and(|kind| kind.is_dir()))
    }

    /// Whether the path itself is a regular file. A link is none.
    pub async fn is_file_itself(&self) -> Result<bool> {
        Ok(self.itself().await?.is_some_and(|kind| kind.is_file()))
    }

    /// Whether this is a symbolic link, be it one that leads nowhere.
    pub async fn is_symlink(&self) -> Result<bool> {
        Ok(self.itself().await?.is_some_and(|kind| kind.is_symlink()))
    }
}
