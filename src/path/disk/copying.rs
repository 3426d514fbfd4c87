//! Copying with choices.

use super::trees::{self, Keep, Links};
use crate::{error::Result, path::Path};

/// How a file or folder is to be copied. Made by [`Path::copying`].
///
/// ```
/// use anyio::{Path, Result};
///
/// # anyio::run(async || -> Result<()> {
/// # let top = anyio::tempfile::TemporaryDirectory::new().await?;
/// # let top = top.path();
/// let link = top / "link";
/// link.symlink_to("nowhere").await?;
/// let copy = link.copying().follow_links(false).to(top / "copy").await?;
/// assert_eq!(copy.readlink().await?, "nowhere");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is copied before it is told where to"]
pub struct Copying {
    from: Path,
    keep: Keep,
    links: Links,
}

impl Copying {
    /// Whether times and extended attributes are copied, too; the latter as far as they may be set. No by default.
    pub fn metadata(mut self, metadata: bool) -> Self {
        self.keep = if metadata { Keep::Metadata } else { Keep::Permissions };
        self
    }

    /// Whether links are followed everywhere, or nowhere: then what is copied is the link. Unless this is called the path
    /// itself is followed, and links in folders are copied as links.
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.links = if follow { Links::Followed } else { Links::Copied };
        self
    }

    /// Copies to this path, and gives it.
    ///
    /// # Errors
    /// As for [`Path::copy`]. Of the kind `InvalidInput`, too, if a link that is followed leads to a folder above it.
    ///
    /// # Cancel safety
    /// Of a folder a part may have been copied.
    pub async fn to(self, target: impl Into<Path>) -> Result<Path> {
        let target = target.into();
        trees::copy(&self.from, &target, self.keep, self.links).await?;
        Ok(target)
    }

    /// Copies into this folder, under the same name, and gives the new path.
    ///
    /// # Errors
    /// As for [`to`](Self::to), and if the path has no name.
    ///
    /// # Cancel safety
    /// As for [`to`](Self::to).
    pub async fn into_folder(self, folder: impl Into<Path>) -> Result<Path> {
        let target = self.from.within(folder.into())?;
        self.to(target).await
    }
}

impl Path {
    /// Copies a file with its permissions, or a folder with all that is in it, in the way that is chosen.
    /// [`copy`](Self::copy) and the like are short for the usual ways.
    pub fn copying(&self) -> Copying {
        Copying { from: self.clone(), keep: Keep::Permissions, links: Links::FollowedAtFirst }
    }
}
