//! Binding UNIX sockets to paths, where the file of another socket may be.

use super::unix_address::of_path;
use crate::runtime::calls::{self, Options};
use socket2::Domain;
use std::{
    ffi::OsString,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// How a socket is to be bound to a path.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Binding {
    /// The permissions of the file.
    pub(super) mode: Option<u32>,
    /// Whether a socket that somebody has open keeps its path.
    pub(super) refuse_living: bool,
}

impl Binding {
    /// Binds a socket, and then makes it ready. What was at the path before is there again if any of it fails, and is not
    /// touched at all if it is no socket.
    pub(super) fn bind(
        self,
        socket: &OwnedFd,
        path: &Path,
        make_ready: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) -> io::Result<()> {
        let address = of_path(path)?;
        let has_file = path.as_os_str().as_bytes().first().is_some_and(|&byte| byte != 0);
        if !has_file {
            calls::bind(socket, &address)?;
            return make_ready(socket);
        }
        let mut before = None;
        match calls::bind(socket, &address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_socket(path) => {
                if self.refuse_living && is_living(path, socket)? {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody has this socket open"));
                }
                before = Some(PutAside::new(path)?);
                calls::bind(socket, &address)?;
            }
            bound => bound?,
        }
        let undo = RemoveAtEnd(path);
        if let Some(mode) = self.mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        make_ready(socket)?;
        std::mem::forget(undo);
        if let Some(before) = before {
            before.remove();
        }
        Ok(())
    }
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Whether somebody has the socket of this path open. One that listens sees a connection that is closed at once.
fn is_living(path: &Path, like: &OwnedFd) -> io::Result<bool> {
    let kind = Options::of(like).get(|socket| socket.r#type())?;
    let probe = calls::make_socket(Domain::UNIX, kind, None)?;
    calls::set_blocking(&probe, false)?;
    match calls::connect(&probe, &of_path(path)?) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::ENOENT)) => Ok(false),
        // It is open, also if there is no room in its backlog, it is of another kind, or not for this user.
        Ok(()) | Err(_) => Ok(true),
    }
}

/// Removes the file of a socket that did not get ready.
struct RemoveAtEnd<'a>(&'a Path);

impl Drop for RemoveAtEnd<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.0) {
            log::debug!("the file {} of a socket that failed stays: {error}", self.0.display());
        }
    }
}

/// The file of an older socket under another name. It gets its own back when this is dropped.
struct PutAside<'a> {
    path: &'a Path,
    aside: Option<PathBuf>,
}

impl<'a> PutAside<'a> {
    fn new(path: &'a Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut name = OsString::from(path);
        name.push(format!(".{}-{}.old", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let aside = PathBuf::from(name);
        fs::rename(path, &aside)?;
        Ok(Self { path, aside: Some(aside) })
    }

    /// It is needed no more.
    fn remove(mut self) {
        if let Some(aside) = self.aside.take() {
            if let Err(error) = fs::remove_file(&aside) {
                log::warn!(
                    "the file of the socket that was at {} stays as {}: {error}",
                    self.path.display(),
                    aside.display()
                );
            }
        }
    }
}

impl Drop for PutAside<'_> {
    fn drop(&mut self) {
        if let Some(aside) = self.aside.take() {
            if let Err(error) = fs::rename(&aside, self.path) {
                log::warn!(
                    "the socket that was at {} is now {}: {error}",
                    self.path.display(),
                    aside.display()
                );
            }
        }
    }
}
