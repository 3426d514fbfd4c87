//! What is in files.

use crate::{
    error::Result,
    fs::{self, File},
    path::Path,
};
use anyio_driver::IoBuf;

impl Path {
    /// Opens the file for reading; [`File::options`] opens it in other ways.
    ///
    /// # Errors
    /// As for [`File::open`].
    pub async fn open(&self) -> Result<File> {
        File::open(self).await
    }

    /// The whole contents.
    ///
    /// # Errors
    /// As for [`fs::read`].
    pub async fn read_bytes(&self) -> Result<Vec<u8>> {
        fs::read(self).await
    }

    /// The whole contents as UTF-8, lines and all as they are. [`read_text_as`](Self::read_text_as) reads other formats.
    ///
    /// # Errors
    /// As for [`fs::read_to_string`].
    pub async fn read_text(&self) -> Result<String> {
        fs::read_to_string(self).await
    }

    /// Makes these bytes the contents.
    ///
    /// # Errors
    /// As for [`fs::write`].
    pub async fn write_bytes(&self, contents: impl IoBuf) -> Result<()> {
        fs::write(self, contents).await
    }

    /// Makes this text the contents. [`write_text_as`](Self::write_text_as) writes other formats.
    ///
    /// # Errors
    /// As for [`fs::write`].
    pub async fn write_text(&self, contents: impl Into<String>) -> Result<()> {
        fs::write(self, contents.into()).await
    }
}
