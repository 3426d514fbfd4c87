//! Where paths lead: folders to begin from, and the way through links.

use crate::{
    error::{Error, Result},
    path::Path,
    to_thread, users,
};
use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt, path};

impl Path {
    /// The current folder.
    ///
    /// # Errors
    /// [`Error::Io`] if it does not exist any more.
    pub fn cwd() -> Result<Path> {
        std::env::current_dir()
            .map(Path)
            .map_err(|error| Error::of_operation(error, "find", "the current folder"))
    }

    /// The path from the root, without asking for links; `..` stays.
    ///
    /// # Errors
    /// [`Error::Io`] if the current folder does not exist any more, or the path is empty.
    pub fn absolute(&self) -> Result<Path> {
        path::absolute(&self.0).map(Path).map_err(|error| self.failed(error, "make absolute"))
    }

    /// The home folder of the user whose process this is.
    ///
    /// # Errors
    /// [`Error::Io`] if the user has none.
    pub async fn home() -> Result<Path> {
        let home = to_thread::for_names(|| users::home(None)).await?;
        home.map(Path).map_err(|error| Error::of_operation(error, "find", "the home folder"))
    }

    /// The path with the home folder in place of a `~` or `~user` at its beginning.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no such user.
    pub async fn expanduser(&self) -> Result<Path> {
        let mut components = self.0.components();
        let Some(first) = components.next().map(path::Component::as_os_str) else { return Ok(self.clone()) };
        let Some(name) = first.as_bytes().strip_prefix(b"~") else { return Ok(self.clone()) };
        let user = (!name.is_empty()).then(|| OsStr::from_bytes(name).to_owned());
        let home = to_thread::for_names(move || users::home(user.as_deref())).await?;
        let home = home.map_err(|error| self.failed(error, "find the home folder of"))?;
        Ok(Path(home.join(components.as_path())))
    }

    /// The absolute path without links, `.` and `..`. What does not exist is taken as it is.
    ///
    /// # Errors
    /// As for [`fs::canonicalize`](crate::fs::canonicalize).
    pub async fn resolve(&self) -> Result<Path> {
        let path = self.absolute()?.0;
        let resolved = to_thread::for_files(move || resolve(&path)).await?;
        resolved.map(Path).map_err(|error| self.failed(error, "resolve"))
    }
}

/// Resolves as much as there is. Blocks.
fn resolve(path: &path::Path) -> io::Result<path::PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    let mut components = path.components();
    let Some(last) = components.next_back() else { return Err(io::ErrorKind::NotFound.into()) };
    let mut above = resolve(components.as_path())?;
    if last == path::Component::ParentDir {
        above.pop();
        return Ok(above);
    }
    let resolved = above.join(last);
    match resolved.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(resolved),
        result => result,
    }
}
