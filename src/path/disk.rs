//! What asks or changes the file system.

use super::{Path, WalkFolders, users};
use crate::{
    error::{Error, Result},
    fs::{self, File, FileType, Glob, Metadata, Permissions, ReadDir, Walk},
    to_thread,
};
use anyio_driver::IoBuf;
use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt, os::unix::fs::PermissionsExt, path};

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
        let home = to_thread::run_sync(|| users::home(None)).await?;
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
        let home = to_thread::run_sync(move || users::home(user.as_deref())).await?;
        let home = home.map_err(|error| self.failed(error, "find the home folder of"))?;
        Ok(Path(home.join(components.as_path())))
    }

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
    /// [`Error::Io`] if the system refuses.
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

    /// Copies the file with its permissions, and gives the new path.
    ///
    /// # Errors
    /// As for [`fs::copy`].
    pub async fn copy(&self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        fs::copy(self, &target).await?;
        Ok(target)
    }

    /// Copies the file into a folder, under the same name, and gives the new path.
    ///
    /// # Errors
    /// As for [`fs::copy`], and if the path has no name.
    pub async fn copy_into(&self, folder: impl Into<Path>) -> Result<Path> {
        self.copy(self.within(folder.into())?).await
    }

    /// Renames the file or folder, replacing what has the new name, and gives the new path.
    ///
    /// # Errors
    /// As for [`fs::rename`].
    pub async fn rename(&self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        fs::rename(self, &target).await?;
        Ok(target)
    }

    /// The same as [`rename`](Self::rename), under AnyIO's other name for it.
    ///
    /// # Errors
    /// As for [`fs::rename`].
    pub async fn replace(&self, target: impl Into<Path>) -> Result<Path> {
        self.rename(target).await
    }

    /// Renames the file or folder. A file that is to go to another file system is copied and removed.
    ///
    /// # Errors
    /// As for [`fs::rename`] and [`fs::copy`].
    pub async fn move_to(&self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        match fs::rename(self, &target).await {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            result => return result.map(|()| target),
        }
        fs::copy(self, &target).await?;
        fs::remove_file(self).await?;
        Ok(target)
    }

    /// Moves the file or folder into a folder, under the same name, and gives the new path.
    ///
    /// # Errors
    /// As for [`move_to`](Self::move_to), and if the path has no name.
    pub async fn move_into(&self, folder: impl Into<Path>) -> Result<Path> {
        self.move_to(self.within(folder.into())?).await
    }

    fn within(&self, folder: Path) -> Result<Path> {
        match self.0.file_name() {
            Some(name) => Ok(folder / name),
            None => Err(self.invalid("find a name in", "the path does not end in a name")),
        }
    }

    /// Removes the file if it is there. Tells whether it was.
    ///
    /// # Errors
    /// As for [`fs::remove_file`].
    pub async fn unlink_if_exists(&self) -> Result<bool> {
        match fs::remove_file(self).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The absolute path without links, `.` and `..`. What does not exist is taken as it is.
    ///
    /// # Errors
    /// As for [`fs::canonicalize`].
    pub async fn resolve(&self) -> Result<Path> {
        let path = self.absolute()?.0;
        let resolved = to_thread::run_sync(move || resolve(&path)).await?;
        resolved.map(Path).map_err(|error| self.failed(error, "resolve"))
    }

    /// Whether there is something under this name, be it a link that leads nowhere.
    ///
    /// # Errors
    /// As for [`fs::exists`].
    pub async fn lexists(&self) -> Result<bool> {
        Ok(there(fs::symlink_metadata(self).await)?.is_some())
    }

    /// Whether this and another path lead to the same file.
    ///
    /// # Errors
    /// As for [`fs::metadata`].
    pub async fn samefile(&self, other: impl AsRef<path::Path>) -> Result<bool> {
        let (here, there) = (fs::metadata(self).await?, fs::metadata(other).await?);
        Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
    }

    /// Whether this is a folder in which another file system begins.
    ///
    /// # Errors
    /// As for [`fs::metadata`].
    pub async fn is_mount(&self) -> Result<bool> {
        let Some(here) = there(fs::symlink_metadata(self).await)?.filter(Metadata::is_dir) else {
            return Ok(false);
        };
        let above = fs::symlink_metadata(self / "..").await?;
        Ok(here.dev() != above.dev() || here.ino() == above.ino())
    }

    /// The name of the file's owner.
    ///
    /// # Errors
    /// As for [`fs::metadata`], and of the kind `NotFound` if the owner has no name.
    pub async fn owner(&self) -> Result<String> {
        let id = fs::metadata(self).await?.uid();
        let name = to_thread::run_sync(move || users::user_name(id)).await?;
        name.map(|name| name.to_string_lossy().into_owned())
            .map_err(|error| self.failed(error, "find the owner of"))
    }

    /// The name of the file's group.
    ///
    /// # Errors
    /// As for [`fs::metadata`], and of the kind `NotFound` if the group has no name.
    pub async fn group(&self) -> Result<String> {
        let id = fs::metadata(self).await?.gid();
        let name = to_thread::run_sync(move || users::group_name(id)).await?;
        name.map(|name| name.to_string_lossy().into_owned())
            .map_err(|error| self.failed(error, "find the group of"))
    }

    /// Sets the permissions, as mode bits. Links are followed.
    ///
    /// # Errors
    /// As for [`fs::set_permissions`].
    pub async fn chmod(&self, mode: u32) -> Result<()> {
        fs::set_permissions(self, Permissions::from_mode(mode)).await
    }

    /// Sets owner and group, as numbers; `None` leaves one as it is. Links are followed.
    ///
    /// # Errors
    /// As for [`fs::chown`].
    pub async fn chown(&self, user: Option<u32>, group: Option<u32>) -> Result<()> {
        fs::chown(self, user, group).await
    }

    /// Makes a folder with this mode, from which the bits of the process's mask are taken.
    ///
    /// # Errors
    /// As for [`fs::create_dir`].
    pub async fn create_dir_with_mode(&self, mode: u32) -> Result<()> {
        fs::create_dir_with_mode(&self.0, mode).await
    }

    /// What matches a pattern in this folder: see [`fs::glob`]. The paths begin with this one.
    ///
    /// # Errors
    /// As for [`fs::glob`], and if the pattern is absolute.
    pub fn glob(&self, pattern: impl AsRef<path::Path>) -> Result<Glob> {
        if pattern.as_ref().has_root() {
            return Err(self.invalid("glob", "the pattern is absolute"));
        }
        Glob::new(&self.0, pattern.as_ref())
    }

    /// What matches a pattern in this folder and all below: the same as `**/` before the pattern.
    ///
    /// # Errors
    /// As for [`glob`](Self::glob).
    pub fn rglob(&self, pattern: impl AsRef<path::Path>) -> Result<Glob> {
        if pattern.as_ref().has_root() {
            return Err(self.invalid("glob", "the pattern is absolute"));
        }
        Glob::new(&self.0, &path::Path::new("**").join(pattern))
    }

    /// All that is in this folder and those below it: see [`fs::walk`].
    pub fn walk(&self) -> Walk {
        fs::walk(self)
    }

    /// This folder and those below it, each with the names of what is in it. Links are not followed.
    pub fn walk_folders(&self) -> WalkFolders {
        WalkFolders::new(self.clone())
    }

    async fn is(&self, kind: impl FnOnce(&FileType) -> bool) -> Result<bool> {
        Ok(there(fs::metadata(self).await)?.is_some_and(|metadata| kind(&metadata.file_type())))
    }

    fn failed(&self, error: io::Error, operation: &'static str) -> Error {
        Error::of_operation(error, operation, self.display())
    }
}

/// What leads nowhere has no metadata, which is no error.
fn there(metadata: Result<Metadata>) -> Result<Option<Metadata>> {
    match metadata {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
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

/// Makes methods of the functions that take a path.
macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident = $function:ident ($($argument:ident : $type:ty),*) -> $result:ty;)*) => {
        impl Path {
            $($(#[$doc])*
            ///
            /// # Errors
            #[doc = concat!("As for [`fs::", stringify!($function), "`].")]
            pub async fn $method(&self $(, $argument: $type)*) -> Result<$result> {
                Ok(fs::$function(self $(, $argument)*).await?.into())
            })*
        }
    };
}

methods! {
    /// Whether there is something under this name. Links are followed.
    exists = exists() -> bool;
    /// What is known of the file. Links are followed.
    stat = metadata() -> Metadata;
    /// What is known of the file; of a link it is what is known of the link.
    lstat = symlink_metadata() -> Metadata;
    /// What the symbolic link says.
    readlink = read_link() -> Path;
    /// The absolute path without links, `.` and `..`. It must exist.
    canonicalize = canonicalize() -> Path;
    /// Removes the file or link.
    unlink = remove_file() -> ();
    /// Removes the empty folder.
    rmdir = remove_dir() -> ();
    /// Removes the folder with all that is in it.
    remove_dir_all = remove_dir_all() -> ();
    /// Makes a folder.
    mkdir = create_dir() -> ();
    /// Makes a folder and those above it, as far as they are missing.
    create_dir_all = create_dir_all() -> ();
    /// Lists what is in the folder.
    iterdir = read_dir() -> ReadDir;
}

/// Makes methods that ask what kind of thing a path leads to.
macro_rules! kinds {
    ($($(#[$doc:meta])* $method:ident;)*) => {
        impl Path {
            $($(#[$doc])*
            /// Links are followed. What does not exist is none.
            ///
            /// # Errors
            /// As for [`fs::metadata`], except that nothing is there.
            pub async fn $method(&self) -> Result<bool> {
                self.is(FileType::$method).await
            })*
        }
    };
}

kinds! {
    /// Whether the path leads to a folder.
    is_dir;
    /// Whether the path leads to a regular file.
    is_file;
    /// Whether the path leads to a block device.
    is_block_device;
    /// Whether the path leads to a character device.
    is_char_device;
    /// Whether the path leads to a named pipe.
    is_fifo;
    /// Whether the path leads to a socket.
    is_socket;
}

impl Path {
    /// Whether this is a symbolic link, be it one that leads nowhere.
    ///
    /// # Errors
    /// As for [`fs::symlink_metadata`], except that nothing is there.
    pub async fn is_symlink(&self) -> Result<bool> {
        Ok(there(fs::symlink_metadata(self).await)?.is_some_and(|metadata| metadata.is_symlink()))
    }

    /// Makes this a symbolic link that says `target`.
    ///
    /// # Errors
    /// As for [`fs::symlink`].
    pub async fn symlink_to(&self, target: impl AsRef<path::Path>) -> Result<()> {
        fs::symlink(target, self).await
    }

    /// Makes this another name of the file `target`.
    ///
    /// # Errors
    /// As for [`fs::hard_link`].
    pub async fn hardlink_to(&self, target: impl AsRef<path::Path>) -> Result<()> {
        fs::hard_link(target, self).await
    }
}
