//! Whose files are, and who may do what with them.

use crate::{
    error::Result,
    fs::{self, Permissions},
    path::Path,
    to_thread, users,
};
use std::os::unix::fs::PermissionsExt;

impl Path {
    /// The name of the file's owner.
    ///
    /// # Errors
    /// As for [`fs::metadata`], and of the kind `NotFound` if the owner has no name.
    pub async fn owner(&self) -> Result<String> {
        let id = fs::metadata(self).await?.uid();
        let name = to_thread::for_names(move || users::user_name(id)).await?;
        name.map(|name| name.to_string_lossy().into_owned())
            .map_err(|error| self.failed(error, "find the owner of"))
    }

    /// The name of the file's group.
    ///
    /// # Errors
    /// As for [`fs::metadata`], and of the kind `NotFound` if the group has no name.
    pub async fn group(&self) -> Result<String> {
        let id = fs::metadata(self).await?.gid();
        let name = to_thread::for_names(move || users::group_name(id)).await?;
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

    /// Sets the permissions, as mode bits, of the path itself, and not of what a link leads to.
    ///
    /// # Errors
    /// As for [`fs::set_permissions_nofollow`].
    pub async fn lchmod(&self, mode: u32) -> Result<()> {
        fs::set_permissions_nofollow(self, Permissions::from_mode(mode)).await
    }

    /// Sets owner and group, as numbers; `None` leaves one as it is. Links are followed.
    ///
    /// # Errors
    /// As for [`fs::chown`].
    pub async fn chown(&self, user: Option<u32>, group: Option<u32>) -> Result<()> {
        fs::chown(self, user, group).await
    }
}
