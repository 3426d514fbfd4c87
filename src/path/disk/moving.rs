//! Copying, renaming, moving and linking.

use super::trees::{self, Keep, Links};
use crate::{error::Result, fs, path::Path};
use std::{io, path};

impl Path {
    /// Copies a file with its permissions, or a folder with all that is in it, and gives the new path. A file that is
    /// there is replaced; a folder must not be there. If the path itself is a link it is followed; links in a folder are
    /// copied as links. [`copying`](Self::copying) has other ways.
    ///
    /// # Errors
    /// As for [`fs::copy`] and [`fs::create_dir`]. [`Error::Io`](crate::Error::Io) of the kind `InvalidInput` if a folder
    /// is to be copied into itself, or if there is something that is no file, folder or link. Of a folder a part may have
    /// been copied.
    ///
    /// # Cancel safety
    /// As for errors.
    pub async fn copy(&self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        trees::copy(self, &target, Keep::Permissions, Links::FollowedAtFirst).await?;
        Ok(target)
    }

    /// Copies the file or folder as [`copy`](Self::copy) does, with the times and extended attributes of all that is
    /// copied; the latter as far as they may be set.
    ///
    /// # Errors
    /// As for [`copy`](Self::copy).
    pub async fn copy_with_metadata(&self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        trees::copy(self, &target, Keep::Metadata, Links::FollowedAtFirst).await?;
        Ok(target)
    }

    /// Copies the file or folder into a folder, under the same name, and gives the new path.
    ///
    /// # Errors
    /// As for [`copy`](Self::copy), and if the path has no name.
    pub async fn copy_into(&self, folder: impl Into<Path>) -> Result<Path> {
        self.copy(self.within(folder.into())?).await
    }

    /// Copies the file or folder into a folder, under the same name and with its metadata, and gives the new path.
    ///
    /// # Errors
    /// As for [`copy`](Self::copy), and if the path has no name.
    pub async fn copy_into_with_metadata(&self, folder: impl Into<Path>) -> Result<Path> {
        self.copy_with_metadata(self.within(folder.into())?).await
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

    /// Renames the file or folder. What is to go to another file system is copied with its metadata, and then removed; a
    /// link is made anew.
    ///
    /// # Errors
    /// As for [`fs::rename`] and [`copy`](Self::copy).
    pub async fn move_to(&self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        match fs::rename(self, &target).await {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            result => return result.map(|()| target),
        }
        self.move_across(&target).await?;
        Ok(target)
    }

    /// Moves the file or folder into a folder, under the same name, and gives the new path.
    ///
    /// # Errors
    /// As for [`move_to`](Self::move_to), and if the path has no name.
    pub async fn move_into(&self, folder: impl Into<Path>) -> Result<Path> {
        self.move_to(self.within(folder.into())?).await
    }

    /// Moves to another file system.
    async fn move_across(&self, target: &Path) -> Result<()> {
        let metadata = fs::symlink_metadata(self).await?;
        if metadata.is_symlink() {
            target.unlink_if_exists().await?;
            fs::symlink(fs::read_link(self).await?, target).await?;
            return fs::remove_file(self).await;
        }
        trees::copy(self, target, Keep::Metadata, Links::Copied).await?;
        if metadata.is_dir() { fs::remove_dir_all(self).await } else { fs::remove_file(self).await }
    }

    pub(super) fn within(&self, folder: Path) -> Result<Path> {
        match self.0.file_name() {
            Some(name) => Ok(folder / name),
            None => Err(self.invalid("find a name in", "the path does not end in a name")),
        }
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
