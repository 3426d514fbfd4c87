//! What asks or changes the file system.

mod contents;
mod copying;
mod kinds;
mod listing;
mod locating;
mod making;
mod moving;
mod ownership;
mod trees;

pub use copying::Copying;
pub use making::{MkdirOptions, TouchOptions};

use super::Path;
use crate::{
    error::{Error, Result},
    fs::{self, Metadata, ReadDir},
};
use std::io;

impl Path {
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

    /// Makes a folder with this mode, from which the bits of the process's mask are taken.
    ///
    /// # Errors
    /// As for [`fs::create_dir`].
    pub async fn create_dir_with_mode(&self, mode: u32) -> Result<()> {
        fs::create_dir_with_mode(&self.0, mode).await
    }

    fn failed(&self, error: io::Error, operation: &'static str) -> Error {
        Error::of_operation(error, operation, self.display())
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
