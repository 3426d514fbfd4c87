//! Copying whole folders.

use crate::{
    error::{Error, Result},
    fs::{self, FileType, Metadata},
    path::Path,
    to_thread,
};
use std::{io, path};

/// What else is copied besides contents and permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing.
    Permissions,
    /// Times and extended attributes.
    Metadata,
}

/// What becomes of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// The path itself is followed; others are copied as links.
    FollowedAtFirst,
    /// All are followed.
    Followed,
    /// All are copied as links.
    Copied,
}

/// Copies a file, a link, or a folder with all that is in it.
pub(super) async fn copy(from: &Path, to: &Path, keep: Keep, links: Links) -> Result<()> {
    let metadata = match links {
        Links::FollowedAtFirst | Links::Followed => fs::metadata(from).await?,
        Links::Copied => fs::symlink_metadata(from).await?,
    };
    if metadata.is_symlink() {
        return copy_link(from, to, &metadata, keep).await;
    }
    if !metadata.is_dir() {
        return copy_file(from, to, &metadata, keep).await;
    }
    refuse_inside(from, to).await?;
    let mut folders = vec![begin_folder(from.clone(), to.clone(), metadata, None).await?];
    let mut waiting = vec![0];
    while let Some(number) = waiting.pop() {
        let (from, to) = (folders[number].from.clone(), folders[number].to.clone());
        let mut entries = fs::read_dir(&from).await?;
        while let Some(entry) = entries.next().await? {
            let (from, to) = (&from / entry.file_name(), &to / entry.file_name());
            let metadata = match links {
                Links::Followed => fs::metadata(&from).await?,
                Links::FollowedAtFirst | Links::Copied => fs::symlink_metadata(&from).await?,
            };
            if metadata.is_dir() {
                refuse_circle(&folders, number, &from, &metadata)?;
                waiting.push(folders.len());
                folders.push(begin_folder(from, to, metadata, Some(number)).await?);
            } else if metadata.is_symlink() {
                copy_link(&from, &to, &metadata, keep).await?;
            } else {
                copy_file(&from, &to, &metadata, keep).await?;
            }
        }
    }
    // What is put into a folder changes its times, and may be forbidden by its permissions.
    for folder in folders.into_iter().rev() {
        keep_attributes(&folder.from, &folder.to, keep).await?;
        fs::set_permissions(&folder.to, folder.metadata.permissions()).await?;
        keep_times(&folder.to, &folder.metadata, keep).await?;
    }
    Ok(())
}

/// A folder that is being copied.
struct Folder {
    from: Path,
    to: Path,
    metadata: Metadata,
    /// The number of the one it is in.
    above: Option<usize>,
}

async fn begin_folder(from: Path, to: Path, metadata: Metadata, above: Option<usize>) -> Result<Folder> {
    // Until it is complete it is nobody else's business.
    fs::create_dir_with_mode(to.as_path(), 0o700).await?;
    Ok(Folder { from, to, metadata, above })
}

/// Links that are followed may lead upwards, and copying what they lead to would never end.
fn refuse_circle(folders: &[Folder], within: usize, from: &Path, metadata: &Metadata) -> Result<()> {
    let mut above = std::iter::successors(Some(within), |&number| folders[number].above);
    let identity = (metadata.dev(), metadata.ino());
    match above.any(|number| identity == (folders[number].metadata.dev(), folders[number].metadata.ino())) {
        true => Err(from.invalid("copy", "the link leads to a folder that it is in")),
        false => Ok(()),
    }
}

async fn copy_link(from: &Path, to: &Path, metadata: &Metadata, keep: Keep) -> Result<()> {
    fs::symlink(fs::read_link(from).await?, to).await?;
    keep_times(to, metadata, keep).await
}

async fn copy_file(from: &Path, to: &Path, metadata: &Metadata, keep: Keep) -> Result<()> {
    // Opening a pipe or a device may wait for ever, or do something.
    if !FileType::is_file(&metadata.file_type()) {
        return Err(from.invalid("copy", "it is neither a file nor a folder"));
    }
    fs::copy(from, to).await?;
    keep_attributes(from, to, keep).await?;
    keep_times(to, metadata, keep).await
}

async fn keep_times(path: &Path, metadata: &Metadata, keep: Keep) -> Result<()> {
    match keep {
        Keep::Permissions => Ok(()),
        Keep::Metadata => fs::set_times(path, Some(metadata.accessed()?), Some(metadata.modified()?)).await,
    }
}

/// Copies extended attributes, as far as the file system has them and they may be set.
async fn keep_attributes(from: &Path, to: &Path, keep: Keep) -> Result<()> {
    if keep == Keep::Permissions {
        return Ok(());
    }
    let (source, target) = (from.as_path().to_owned(), to.as_path().to_owned());
    let copied = to_thread::for_files(move || copy_attributes(&source, &target)).await?;
    copied.map_err(|error| to.failed(error, "set the attributes of"))
}

/// Blocks.
fn copy_attributes(from: &path::Path, to: &path::Path) -> io::Result<()> {
    let names = match xattr::list(from) {
        Err(error) if is_refused(&error) => return Ok(()),
        names => names?,
    };
    for name in names {
        let set = xattr::get(from, &name).and_then(|value| match value {
            Some(value) => xattr::set(to, &name, &value),
            None => Ok(()),
        });
        match set {
            Err(error) if is_refused(&error) => {}
            result => result?,
        }
    }
    Ok(())
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EPERM | libc::EACCES | libc::EINVAL))
}

/// A folder that is copied into itself would never end.
async fn refuse_inside(from: &Path, to: &Path) -> Result<()> {
    let (inner, outer) = (to.resolve().await?, from.resolve().await?);
    if inner.is_relative_to(&outer) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "a folder cannot be copied into itself");
        return Err(Error::of_operation(error, "copy", format!("{} -> {}", from.display(), to.display())));
    }
    Ok(())
}
