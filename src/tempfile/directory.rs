//! Folders.

use super::{
    Builder,
    builder::{FOLDER_MODE, owners},
};
use crate::{
    Path,
    error::{Error, Result},
    scope::shield,
    to_thread,
};
use ::tempfile::TempDir;

/// A temporary folder, removed with all that is in it when it is closed, or dropped.
///
/// ```
/// use anyio::{Result, tempfile::TemporaryDirectory};
///
/// # anyio::run(async || -> Result<()> {
/// let folder = TemporaryDirectory::new().await?;
/// let file = folder.path() / "file";
/// file.write_text("scratch").await?;
/// folder.close().await?;
/// assert!(!file.exists().await?);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TemporaryDirectory {
    folder: TempDir,
    path: Path,
}

impl Builder {
    /// Makes a folder.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if it cannot be made.
    ///
    /// # Cancel safety
    /// A folder that was made is given. If the future is dropped, the folder is removed.
    pub async fn folder(self) -> Result<TemporaryDirectory> {
        let folder = self.make(|names, directory| {
            let folder = names.permissions(owners(FOLDER_MODE)).tempdir_in(directory)?;
            std::fs::set_permissions(folder.path(), owners(FOLDER_MODE))?;
            Ok(folder)
        });
        let folder = folder.await?;
        Ok(TemporaryDirectory::new_of(folder))
    }
}

impl TemporaryDirectory {
    /// Makes a folder in the usual one. [`Builder`] makes it elsewhere or with other names.
    ///
    /// # Errors
    /// As for [`Builder::folder`].
    ///
    /// # Cancel safety
    /// As for [`Builder::folder`].
    pub async fn new() -> Result<Self> {
        Builder::new().folder().await
    }

    pub(super) fn new_of(folder: TempDir) -> Self {
        let path = folder.path().into();
        Self { folder, path }
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the folder stay.
    pub fn keep(self) -> Path {
        self.folder.keep().into()
    }

    /// Removes the folder with all that is in it.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be removed.
    ///
    /// # Cancel safety
    /// The folder is removed also in a cancelled scope, and when the future is dropped.
    pub async fn close(self) -> Result<()> {
        let Self { folder, path } = self;
        let removed = shield(to_thread::for_files(move || folder.close())).await?;
        removed.map_err(|error| Error::of_operation(error, "remove", path.display()))
    }

    /// Removes what can be removed of the folder and of all that is in it, and says nothing of the rest: who has made
    /// something in it that only others may remove has left that on purpose.
    ///
    /// # Errors
    /// None but those of a run that is over.
    ///
    /// # Cancel safety
    /// As for [`close`](Self::close).
    pub async fn close_ignoring_errors(self) -> Result<()> {
        match self.close().await {
            Err(Error::Io(_)) => Ok(()),
            closed => closed,
        }
    }
}
