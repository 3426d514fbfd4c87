//! The folder that is served, and how not to get out of it.

use anyio::{
    Error, Result,
    fs::{self, File, Metadata, OpenOptions},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

/// The folder that is served.
pub(crate) struct Folder<'a> {
    /// Its path, without symbolic links.
    root: &'a Path,
}

/// Something in the folder that was found.
pub(crate) enum Found {
    File(File, Box<Metadata>),
    /// A folder, with its path without symbolic links.
    Folder(PathBuf),
}

impl<'a> Folder<'a> {
    /// `root` has no symbolic links in it.
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// Its path, without symbolic links.
    pub(crate) fn root(&self) -> &Path {
        self.root
    }

    /// Opens a file or finds a folder.
    ///
    /// # Errors
    /// What the system says. [`PermissionDenied`](io::ErrorKind::PermissionDenied) for what lies outside of the folder, by way
    /// of symbolic links. [`NotFound`](io::ErrorKind::NotFound) for pipes, sockets and devices.
    pub(crate) async fn find(&self, relative: &Path) -> Result<Found> {
        let path = self.root.join(relative);
        // A pipe is not waited for, and a terminal not taken possession of.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).await?;
        let real_path = real_path(&file, path).await?;
        if !real_path.starts_with(self.root) {
            let refusal = io::Error::new(io::ErrorKind::PermissionDenied, "it leads out of the folder");
            return Err(refusal.into());
        }
        let metadata = file.metadata().await?;
        if metadata.is_dir() {
            return Ok(Found::Folder(real_path));
        }
        if !metadata.is_file() {
            return Err(Error::Io(io::ErrorKind::NotFound.into()));
        }
        Ok(Found::File(file, Box::new(metadata)))
    }
}

/// Whether a file or folder of this name is not for everybody. What servers agree on lies in `.well-known`.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && name != b".well-known"
}

/// Where an open file really lies.
async fn real_path(file: &File, path: PathBuf) -> Result<PathBuf> {
    // This link is made up by the kernel from what is in memory, so it is read without waiting.
    match std::fs::read_link(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())) {
        Ok(real_path) => Ok(real_path),
        // Without /proc the path is looked at once more, and may lead elsewhere by then if somebody changes links meanwhile.
        Err(_) => Ok(fs::canonicalize(path).await?),
    }
}
