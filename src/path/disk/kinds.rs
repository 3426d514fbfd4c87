//! What paths lead to, if to anything.

use crate::{
    error::Result,
    fs::{self, FileType, Metadata},
    path::{Path, PathInfo, there::there},
};
use std::path;

impl Path {
    /// Whether there is something under this name. Links are followed. There is nothing, too, where what should be a folder
    /// on the way is none, and where links lead in circles.
    ///
    /// # Errors
    /// As for [`fs::metadata`], except that nothing is there.
    pub async fn exists(&self) -> Result<bool> {
        Ok(there(fs::metadata(self).await)?.is_some())
    }

    /// What kind of thing this is, to be asked for once and remembered.
    pub fn info(&self) -> PathInfo {
        PathInfo::new(self.clone())
    }

    /// Whether the path itself is a folder. A link is none.
    ///
    /// # Errors
    /// As for [`fs::symlink_metadata`], except that nothing is there.
    pub async fn is_dir_itself(&self) -> Result<bool> {
        Ok(there(fs::symlink_metadata(self).await)?.is_some_and(|metadata| metadata.is_dir()))
    }

    /// Whether the path itself is a regular file. A link is none.
    ///
    /// # Errors
    /// As for [`fs::symlink_metadata`], except that nothing is there.
    pub async fn is_file_itself(&self) -> Result<bool> {
        Ok(there(fs::symlink_metadata(self).await)?.is_some_and(|metadata| metadata.is_file()))
    }

    /// Whether there is something under this name, be it a link that leads nowhere.
    ///
    /// # Errors
    /// As for [`fs::symlink_metadata`], except that nothing is there.
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

    /// Whether this is a symbolic link, be it one that leads nowhere.
    ///
    /// # Errors
    /// As for [`fs::symlink_metadata`], except that nothing is there.
    pub async fn is_symlink(&self) -> Result<bool> {
        Ok(there(fs::symlink_metadata(self).await)?.is_some_and(|metadata| metadata.is_symlink()))
    }

    async fn is(&self, kind: impl FnOnce(&FileType) -> bool) -> Result<bool> {
        Ok(there(fs::metadata(self).await)?.is_some_and(|metadata| kind(&metadata.file_type())))
    }
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
