//! How temporary files are to be made.

use super::{NamedTemporaryFile, SpooledTemporaryFile, TemporaryDirectory, TemporaryFile};
use crate::{
    Path,
    error::{Error, Result},
    to_thread,
};
use std::{
    ffi::OsString,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{self, PathBuf},
};

/// Temporary files and folders are their maker's alone, whatever the process's mask takes or leaves.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

fn owners(mode: u32) -> Permissions {
    Permissions::from_mode(mode)
}

/// How temporary files and folders are to be made: where, and with which names.
///
/// ```
/// use anyio::{Result, tempfile::Builder};
///
/// # anyio::run(async || -> Result<()> {
/// let report = Builder::new().prefix("report-").suffix(".csv").named_file().await?;
/// assert_eq!(report.path().suffix(), ".csv");
/// report.close().await?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Builder {
    prefix: Option<OsString>,
    suffix: OsString,
    directory: Option<PathBuf>,
}

impl Builder {
    /// The default: in [`gettempdir`](super::gettempdir), with names that say nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How names begin.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<OsString>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How names end.
    #[must_use]
    pub fn suffix(mut self, suffix: impl Into<OsString>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// In which folder.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<path::Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Makes a file without a name.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if it cannot be made.
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
            fs::set_permissions(folder.path(), owners(FOLDER_MODE))?;
            Ok(folder)
        });
        let folder = folder.await?;
        Ok(TemporaryDirectory::new_of(folder))
    }

    /// A file that stays in memory until it is longer than `max_size` bytes.
    pub fn spooled_file(self, max_size: usize) -> SpooledTemporaryFile {
        SpooledTemporaryFile::new_of(self, max_size)
    }

    async fn make<T: Send + 'static>(
        self,
        make: impl FnOnce(&mut ::tempfile::Builder<'_, '_>, &path::Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let Self { prefix, suffix, directory } = self;
        let directory = directory.unwrap_or_else(std::env::temp_dir);
        let subject = Path::from(directory.clone());
        let made = to_thread::for_files(move || {
            let mut names = ::tempfile::Builder::new();
            names.suffix(&suffix);
            if let Some(prefix) = &prefix {
                names.prefix(prefix);
            }
            make(&mut names, &directory)
        });
        made.await?
            .map_err(|error| Error::of_operation(error, "make something temporary in", subject.display()))
    }
}
