//! How temporary files are to be made.

use crate::{
    Path,
    error::{Error, Result},
    to_thread,
};
use std::{
    ffi::OsString,
    fs::Permissions,
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{self, PathBuf},
};

/// Temporary files and folders are their maker's alone, whatever the process's mask takes or leaves.
pub(super) const FILE_MODE: u32 = 0o600;
pub(super) const FOLDER_MODE: u32 = 0o700;

pub(super) fn owners(mode: u32) -> Permissions {
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

    /// How names begin. A prefix in which there is a `/` is refused when something is made: names do not lead out of the folder.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<OsString>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How names end, under the same condition.
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

    pub(super) async fn make<T: Send + 'static>(
        self,
        make: impl FnOnce(&mut ::tempfile::Builder<'_, '_>, &path::Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let Self { prefix, suffix, directory } = self;
        let directory = directory.unwrap_or_else(std::env::temp_dir);
        let subject = Path::from(directory.clone());
        for part in prefix.iter().chain([&suffix]) {
            if part.as_bytes().iter().any(|byte| matches!(byte, b'/' | 0)) {
                let text = format!("the name of something temporary cannot have {part:?} in it");
                let error = io::Error::new(io::ErrorKind::InvalidInput, text);
                return Err(Error::of_operation(error, "make something temporary in", subject.display()));
            }
        }
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
