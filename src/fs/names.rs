//! Names in folders: making, changing, removing and asking for them.

use super::{
    Metadata, Permissions,
    operations::{self, OnPath, c_path},
    thread::{self, arrow},
};
use crate::{error::Result, runtime::Operation};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Renames a file or folder; what has the new name is replaced if it can be. Both have to be on one file system.
///
/// # Errors
/// A cancellation, if it has not begun. [`Error::Io`](crate::Error::Io) if the system refuses.
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    let paths = (from.as_ref(), to.as_ref());
    let rename =
        OnPath::Rename { from: c_path(paths.0, "rename")?, to: c_path(paths.1, "rename")?, flags: 0 };
    on_paths("rename", paths, rename).await
}

/// Makes another name for a file.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Result<()> {
    let paths = (original.as_ref(), link.as_ref());
    let make = OnPath::Link { from: c_path(paths.0, "link")?, to: c_path(paths.1, "link")? };
    on_paths("link", paths, make).await
}

/// Makes a symbolic link that says `original`, which need not exist.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> Result<()> {
    let paths = (original.as_ref(), link.as_ref());
    let make =
        OnPath::SymbolicLink { target: c_path(paths.0, "symlink")?, path: c_path(paths.1, "symlink")? };
    on_paths("symlink", paths, make).await
}

/// Removes the name of a file or link, and with its last name the file.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn remove_file(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let remove = OnPath::Unlink { path: c_path(path, "unlink")?, flags: 0 };
    on_path("unlink", path, remove).await
}

/// Removes an empty folder.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn remove_dir(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let remove = OnPath::Unlink { path: c_path(path, "rmdir")?, flags: libc::AT_REMOVEDIR };
    on_path("rmdir", path, remove).await
}

/// Removes a folder with all that is in it. Links are removed and not followed.
///
/// # Errors
/// As for [`rename`]. A part may have been removed.
///
/// # Cancel safety
/// Once begun it is awaited, to its end.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> Result<()> {
    thread::with_path("remove", path.as_ref(), fs::remove_dir_all).await
}

/// Makes a folder, with the mode 0o777 without the bits of the process's mask.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn create_dir(path: impl AsRef<Path>) -> Result<()> {
    create_dir_with_mode(path.as_ref(), 0o777).await
}

/// Makes a folder with this mode, without the bits of the process's mask.
pub(crate) async fn create_dir_with_mode(path: &Path, mode: u32) -> Result<()> {
    let make = OnPath::MakeDirectory { path: c_path(path, "mkdir")?, mode: mode as libc::mode_t };
    on_path("mkdir", path, make).await
}

/// Makes a folder and those above it, as far as they are missing.
///
/// # Errors
/// As for [`rename`]. Some may have been made.
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn create_dir_all(path: impl AsRef<Path>) -> Result<()> {
    thread::with_path("mkdir", path.as_ref(), fs::create_dir_all).await
}

/// What is known of a file besides its contents. Links are followed.
///
/// # Errors
/// A cancellation. [`Error::Io`](crate::Error::Io) if the system refuses, also because there is no such file.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn metadata(path: impl AsRef<Path>) -> Result<Metadata> {
    status(path.as_ref(), true).await
}

/// What is known of a file besides its contents. Of a link it is what is known of the link.
///
/// # Errors
/// As for [`metadata`].
///
/// # Cancel safety
/// Nothing is lost.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> Result<Metadata> {
    status(path.as_ref(), false).await
}

async fn status(path: &Path, follow: bool) -> Result<Metadata> {
    let status = operations::of_path(c_path(path, "stat")?, follow).await;
    status.map(Metadata::new).map_err(|refusal| refusal.on("stat", path.display()))
}

/// Whether there is something under this name. Links are followed.
///
/// # Errors
/// If that cannot be told, for example because a folder on the way may not be searched.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn exists(path: impl AsRef<Path>) -> Result<bool> {
    match metadata(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a symbolic link says.
///
/// # Errors
/// As for [`metadata`].
///
/// # Cancel safety
/// Nothing is lost.
pub async fn read_link(path: impl AsRef<Path>) -> Result<PathBuf> {
    thread::with_path("readlink", path.as_ref(), fs::read_link).await
}

/// The absolute path without links, `.` and `..`.
///
/// # Errors
/// As for [`metadata`].
///
/// # Cancel safety
/// Nothing is lost.
pub async fn canonicalize(path: impl AsRef<Path>) -> Result<PathBuf> {
    thread::with_path("canonicalize", path.as_ref(), fs::canonicalize).await
}

/// Sets who may do what with a file. Links are followed.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Result<()> {
    thread::with_path("chmod", path.as_ref(), |path| fs::set_permissions(path, permissions)).await
}

/// Sets who may do what with a file, but not with what a link leads to.
///
/// # Errors
/// As for [`rename`]. Of the kind `Unsupported` for links where, as on Linux, these have no permissions of their own.
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn set_permissions_nofollow(path: impl AsRef<Path>, permissions: Permissions) -> Result<()> {
    thread::with_path("chmod", path.as_ref(), move |path| {
        super::permissions::set_without_following(&path, permissions.mode())
    })
    .await
}

/// Sets owner and group of a file, as numbers; `None` leaves one as it is. Links are followed.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn chown(path: impl AsRef<Path>, user: Option<u32>, group: Option<u32>) -> Result<()> {
    thread::with_path("chown", path.as_ref(), move |path| std::os::unix::fs::chown(path, user, group)).await
}

/// Sets owner and group of a link itself, or of what is no link.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn lchown(path: impl AsRef<Path>, user: Option<u32>, group: Option<u32>) -> Result<()> {
    thread::with_path("chown", path.as_ref(), move |path| std::os::unix::fs::lchown(path, user, group)).await
}

/// Sets when a file was last read and changed; `None` leaves a time as it is. Of a link the times are the link's own.
///
/// # Errors
/// As for [`rename`].
///
/// # Cancel safety
/// Once begun it is awaited.
pub async fn set_times(
    path: impl AsRef<Path>,
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
) -> Result<()> {
    thread::with_path("set the times of", path.as_ref(), move |path| {
        super::times::set(&path, accessed, modified)
    })
    .await
}

async fn on_path(operation: &'static str, path: &Path, payload: OnPath) -> Result<()> {
    let answer = Operation::completing(payload).await;
    answer.map(drop).map_err(|refusal| refusal.on(operation, path.display()))
}

async fn on_paths(operation: &'static str, paths: (&Path, &Path), payload: OnPath) -> Result<()> {
    let answer = Operation::completing(payload).await;
    answer.map(drop).map_err(|refusal| refusal.on(operation, arrow(paths)))
}
