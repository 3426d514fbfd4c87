//! Files with names.

use super::{
    Builder,
    builder::{FILE_MODE, owners},
};
use crate::{
    Path,
    error::{Error, Result},
    fs::File,
    scope::shield,
    to_thread,
};
use ::tempfile::{NamedTempFile, TempPath};
use std::{
    ops::{Deref, DerefMut},
    path,
};

/// A temporary file with a name that other programs can use, for reading and writing. It derefs to [`File`].
///
/// It is removed when it is closed, or dropped.
#[derive(Debug)]
pub struct NamedTemporaryFile {
    file: File,
    name: TempPath,
    path: Path,
}

impl Builder {
    /// Makes a file with a name.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if it cannot be made.
    ///
    /// # Cancel safety
    /// A file that was made is given. If the future is dropped, the file is removed.
    pub async fn named_file(self) -> Result<NamedTemporaryFile> {
        let file = self.make(|names, directory| {
            let file = names.permissions(owners(FILE_MODE)).tempfile_in(directory)?;
            file.as_file().set_permissions(owners(FILE_MODE))?;
            Ok(file)
        });
        let file = file.await?;
        Ok(NamedTemporaryFile::new_of(file))
    }
}

impl NamedTemporaryFile {
    /// Makes a file in the usual folder. [`Builder`] makes it elsewhere or with other names.
    ///
    /// # Errors
    /// As for [`Builder::named_file`].
    ///
    /// # Cancel safety
    /// As for [`Builder::named_file`].
    pub async fn new() -> Result<Self> {
        Builder::new().named_file().await
    }

    pub(super) fn new_of(file: NamedTempFile) -> Self {
        let (file, name) = file.into_parts();
        let path = Path::from(name.to_path_buf());
        Self { file: file.into(), name, path }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the file stay.
    ///
    /// # Errors
    /// None on this host; on others the name may have to be marked as one that stays.
    pub fn keep(self) -> Result<(File, Path)> {
        let Self { file, name, path } = self;
        match name.keep() {
            Ok(_) => Ok((file, path)),
            Err(error) => Err(Error::of_operation(error.error, "keep", path.display())),
        }
    }

    /// Gives the file its lasting name, replacing what has that name, and lets it stay. Nobody sees a file of this name
    /// that is not complete.
    ///
    /// # Errors
    /// A cancellation, or [`Error::Io`] if the system refuses; the temporary file is removed then.
    ///
    /// # Cancel safety
    /// Once begun it is awaited.
    pub async fn persist(self, target: impl AsRef<path::Path>) -> Result<File> {
        let Self { file, name, path } = self;
        let target = target.as_ref().to_owned();
        let to = target.clone();
        let renamed = to_thread::for_files(move || name.persist(to).map_err(|error| error.error)).await?;
        match renamed {
            Ok(()) => Ok(file),
            Err(error) => {
                let subject = format!("{} -> {}", path.display(), target.display());
                Err(Error::of_operation(error, "rename", subject))
            }
        }
    }

    /// Closes the file and removes it.
    ///
    /// # Errors
    /// [`Error::Io`] with what the system says; if it is about the closing, the file is removed all the same.
    ///
    /// # Cancel safety
    /// The file is closed and removed also in a cancelled scope, and when the future is dropped.
    pub async fn close(self) -> Result<()> {
        let Self { file, name, path } = self;
        let closed = file.close().await;
        let removed = shield(to_thread::for_files(move || name.close())).await?;
        closed?;
        removed.map_err(|error| Error::of_operation(error, "remove", path.display()))
    }
}

impl Deref for NamedTemporaryFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl DerefMut for NamedTemporaryFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.file
    }
}
