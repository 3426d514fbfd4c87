//! Paths with the operations on what they lead to.

mod disk;
mod folders;
mod info;
mod parts;
mod text;
mod there;
mod uri;

pub use disk::{Copying, MkdirOptions, TouchOptions};
pub use folders::{WalkFolders, WalkedFolder};
pub use info::PathInfo;
pub use text::{Newlines, TextFormat};

use std::{
    borrow::Borrow,
    cmp::Ordering,
    convert::Infallible,
    ffi::{OsStr, OsString},
    fmt,
    ops::{Div, DivAssign},
    path::{self, PathBuf},
    str::FromStr,
};

/// A path, with operations on the file or folder it leads to as methods.
///
/// It is a [`PathBuf`] with another set of methods, and converts from and to it. What only looks at the path itself is an
/// ordinary method; what asks the file system is asynchronous, with the errors and cancel safety of the function of the
/// same kind in [`fs`](crate::fs).
///
/// ```
/// use anyio::{Path, Result};
///
/// # anyio::run(async || -> Result<()> {
/// # let folder = std::env::temp_dir().join(format!("anyio-path-{}", std::process::id()));
/// let folder = Path::from(folder);
/// folder.create_dir_all().await?;
/// let file = &folder / "notes.txt";
/// file.write_text("remember").await?;
/// assert_eq!(file.read_text().await?, "remember");
/// assert_eq!(file.suffix(), ".txt");
/// folder.remove_dir_all().await?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(PathBuf);

impl Path {
    /// A path out of anything like one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path for the standard library.
    pub fn as_path(&self) -> &path::Path {
        &self.0
    }

    /// The path for the standard library.
    pub fn into_path_buf(self) -> PathBuf {
        self.0
    }

    /// As text, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        self.0.to_str()
    }

    /// As the system has it.
    pub fn as_os_str(&self) -> &OsStr {
        self.0.as_os_str()
    }

    /// For showing it to people; what is not UTF-8 is replaced.
    pub fn display(&self) -> path::Display<'_> {
        self.0.display()
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Path").field(&self.0).finish()
    }
}

impl AsRef<path::Path> for Path {
    fn as_ref(&self) -> &path::Path {
        &self.0
    }
}

impl AsRef<OsStr> for Path {
    fn as_ref(&self) -> &OsStr {
        self.0.as_os_str()
    }
}

impl Borrow<path::Path> for Path {
    fn borrow(&self) -> &path::Path {
        &self.0
    }
}

impl From<PathBuf> for Path {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl From<Path> for PathBuf {
    fn from(path: Path) -> Self {
        path.0
    }
}

impl From<&path::Path> for Path {
    fn from(path: &path::Path) -> Self {
        Self(path.into())
    }
}

impl From<&str> for Path {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl From<String> for Path {
    fn from(path: String) -> Self {
        Self(path.into())
    }
}

impl From<OsString> for Path {
    fn from(path: OsString) -> Self {
        Self(path.into())
    }
}

impl FromStr for Path {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        Ok(path.into())
    }
}

impl<P: AsRef<path::Path>> FromIterator<P> for Path {
    fn from_iter<I: IntoIterator<Item = P>>(parts: I) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl PartialEq<path::Path> for Path {
    fn eq(&self, other: &path::Path) -> bool {
        self.0 == other
    }
}

impl PartialOrd<path::Path> for Path {
    fn partial_cmp(&self, other: &path::Path) -> Option<Ordering> {
        self.as_path().partial_cmp(other)
    }
}

impl PartialOrd<PathBuf> for Path {
    fn partial_cmp(&self, other: &PathBuf) -> Option<Ordering> {
        self.0.partial_cmp(other)
    }
}

impl PartialEq<PathBuf> for Path {
    fn eq(&self, other: &PathBuf) -> bool {
        self.0 == *other
    }
}

impl PartialEq<Path> for PathBuf {
    fn eq(&self, other: &Path) -> bool {
        *self == other.0
    }
}

impl PartialEq<str> for Path {
    fn eq(&self, other: &str) -> bool {
        self.0 == path::Path::new(other)
    }
}

impl PartialEq<&str> for Path {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl<P: AsRef<path::Path>> Div<P> for &Path {
    type Output = Path;

    /// Joins two paths; an absolute one replaces what is before it.
    fn div(self, other: P) -> Path {
        Path(self.0.join(other))
    }
}

impl<P: AsRef<path::Path>> Div<P> for Path {
    type Output = Path;

    /// Joins two paths; an absolute one replaces what is before it.
    fn div(mut self, other: P) -> Path {
        self.0.push(other);
        self
    }
}

/// Joins what is no path of this kind with one that is.
macro_rules! joined_from_the_left {
    ($($type:ty),*) => {$(
        impl Div<Path> for $type {
            type Output = Path;

            /// Joins two paths; an absolute one replaces what is before it.
            fn div(self, other: Path) -> Path {
                Path::from(self) / other
            }
        }

        impl Div<&Path> for $type {
            type Output = Path;

            /// Joins two paths; an absolute one replaces what is before it.
            fn div(self, other: &Path) -> Path {
                Path::from(self) / other
            }
        }
    )*};
}

joined_from_the_left!(&str, String, &path::Path, PathBuf);

impl<P: AsRef<path::Path>> DivAssign<P> for Path {
    fn div_assign(&mut self, other: P) {
        self.0.push(other);
    }
}
