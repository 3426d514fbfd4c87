//! Copying, renaming, moving and linking.

use crate::{error::Result, fs, path::Path};
use std::{io, path};

impl Path {
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
