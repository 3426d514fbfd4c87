//! Files without names.

use super::{
    Builder,
    builder::{FILE_MODE, owners},
};
use crate::{error::Result, fs::File};
use std::ops::{Deref, DerefMut};

/// A temporary file without a name, for reading and writing: no other program can open it, and it is gone when it is
/// closed, whatever happens to the process.
///
/// It derefs to [`File`].
///
/// ```
/// use anyio::{Result, tempfile::TemporaryFile};
///
/// # anyio::run(async || -> Result<()> {
/// let mut file = TemporaryFile::new().await?;
/// file.write_all("scratch").await.0?;
/// file.rewind().await?;
/// let (_, text) = file.read_to_string(String::new()).await;
/// assert_eq!(text, "scratch");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TemporaryFile(File);

impl Builder {
    /// Makes a file without a name.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`](crate::Error::Io) if it cannot be made.
    ///
    /// # Cancel safety
    /// A file that was made is given. If the future is dropped, so is the file.
    pub async fn file(self) -> Result<TemporaryFile> {
        let file = self.make(|_, directory| {
            let file = ::tempfile::tempfile_in(directory)?;
            file.set_permissions(owners(FILE_MODE))?;
            Ok(file)
        });
        let file = file.await?;
        Ok(TemporaryFile::new_of(file))
    }
}

impl TemporaryFile {
    /// Makes a file in the usual folder. [`Builder`] makes it elsewhere.
    ///
    /// # Errors
    /// As for [`Builder::file`].
    ///
    /// # Cancel safety
    /// As for [`Builder::file`].
    pub async fn new() -> Result<Self> {
        Builder::new().file().await
    }

    pub(super) fn new_of(file: std::fs::File) -> Self {
        Self(file.into())
    }

    /// The file alone; it is gone all the same when it is closed.
    pub fn into_file(self) -> File {
        self.0
    }

    /// Closes the file, which is the end of it.
    ///
    /// # Errors
    /// As for [`File::close`].
    ///
    /// # Cancel safety
    /// As for [`File::close`].
    pub async fn close(self) -> Result<()> {
        self.0.close().await
    }
}

impl Deref for TemporaryFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for TemporaryFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}
