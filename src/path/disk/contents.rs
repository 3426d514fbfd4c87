//! What is in files.

use crate::{
    error::Result,
    fs::{self, File},
    path::Path,
};
use anyio_driver::IoBuf;
use std::io;

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

    /// The whole contents as UTF-8.
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

    /// Makes this text the contents.
    ///
    /// # Errors
    /// As for [`fs::write`].
    pub async fn write_text(&self, contents: impl Into<String>) -> Result<()> {
        fs::write(self, contents.into()).await
    }

    /// Makes the file if it is not there, and sets its times to now if it is.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system refuses.
    pub async fn touch(&self) -> Result<()> {
        let file = File::options().write(true).create(true).open(self).await;
        match file {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
            Err(error) => return Err(error),
            Ok(file) => {
                let now = std::time::SystemTime::now();
                file.set_times(Some(now), Some(now)).await?;
                return file.close().await;
            }
        }
        let now = std::time::SystemTime::now();
        fs::set_times(self, Some(now), Some(now)).await
    }
}
