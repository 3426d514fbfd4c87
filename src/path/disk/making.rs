//! Making folders and files.

use crate::{
    error::Result,
    fs::{self, File},
    path::Path,
};
use std::{io, time::SystemTime};

/// How [`Path::mkdir_with`] makes a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MkdirOptions {
    mode: u32,
    parents: bool,
    exist_ok: bool,
}

impl MkdirOptions {
    /// As [`Path::mkdir`] does: the mode is 0o777, the folder above is there, and the folder is not.
    pub fn new() -> Self {
        Self { mode: 0o777, parents: false, exist_ok: false }
    }

    /// The folder's mode, from which the bits of the process's mask are taken.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Whether folders above it that are missing are made, too. They have the usual mode.
    #[must_use]
    pub fn parents(mut self, parents: bool) -> Self {
        self.parents = parents;
        self
    }

    /// Whether the folder may be there before.
    #[must_use]
    pub fn exist_ok(mut self, exist_ok: bool) -> Self {
        self.exist_ok = exist_ok;
        self
    }
}

impl Default for MkdirOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How [`Path::touch_with`] makes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TouchOptions {
    mode: u32,
    exist_ok: bool,
}

impl TouchOptions {
    /// As [`Path::touch`] does: the mode is 0o666, and the file may be there.
    pub fn new() -> Self {
        Self { mode: 0o666, exist_ok: true }
    }

    /// The mode of a file that is made, from which the bits of the process's mask are taken.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Whether the file may be there before.
    #[must_use]
    pub fn exist_ok(mut self, exist_ok: bool) -> Self {
        self.exist_ok = exist_ok;
        self
    }
}

impl Default for TouchOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Path {
    /// Makes a folder.
    ///
    /// ```
    /// use anyio::{MkdirOptions, Path, Result};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// # let top = anyio::tempfile::TemporaryDirectory::new().await?;
    /// # let top = top.path();
    /// let folder = top / "data" / "cache";
    /// let options = MkdirOptions::new().parents(true).exist_ok(true).mode(0o700);
    /// folder.mkdir_with(options).await?;
    /// folder.mkdir_with(options).await?;
    /// assert!(folder.is_dir().await?);
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As for [`fs::create_dir`]: of the kind `AlreadyExists` if there is something that may not be there.
    ///
    /// # Cancel safety
    /// Some of the folders above may have been made.
    pub async fn mkdir_with(&self, options: MkdirOptions) -> Result<()> {
        let make = || fs::create_dir_with_mode(self.as_path(), options.mode);
        let mut made = make().await;
        if let Some(above) = self.as_path().parent().filter(|_| options.parents) {
            if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                fs::create_dir_all(above).await?;
                made = make().await;
            }
        }
        match made {
            Err(error) if options.exist_ok && error.kind() == io::ErrorKind::AlreadyExists => {
                if self.is_dir().await? { Ok(()) } else { Err(error) }
            }
            made => made,
        }
    }

    /// Makes the file if it is not there, and sets its times to now if it is.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system refuses.
    ///
    /// # Cancel safety
    /// The file may be there with other times.
    pub async fn touch(&self) -> Result<()> {
        self.touch_with(TouchOptions::new()).await
    }

    /// Makes the file, or if it may be there and is, sets its times to now.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system refuses: of the kind `AlreadyExists` if there is something that may not be
    /// there.
    ///
    /// # Cancel safety
    /// The file may be there with other times.
    pub async fn touch_with(&self, options: TouchOptions) -> Result<()> {
        let mut opening = File::options();
        opening.write(true).create(true).create_new(!options.exist_ok).mode(options.mode);
        let now = SystemTime::now();
        // A pipe without readers is not waited for.
        match opening.custom_flags(libc::O_NONBLOCK).open(self).await {
            // What cannot be opened for writing has times, too: folders, pipes, sockets and the files of others.
            Err(error) if options.exist_ok && self.exists().await? => {
                let itself = fs::canonicalize(self).await?;
                fs::set_times(itself, Some(now), Some(now)).await.map_err(|_| error)
            }
            Err(error) => Err(error),
            Ok(file) => {
                file.set_times(Some(now), Some(now)).await?;
                file.close().await
            }
        }
    }
}
