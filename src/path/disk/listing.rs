//! What is in folders.

use crate::{
    error::Result,
    fs::{self, Glob, Walk},
    path::{Path, WalkFolders},
};
use std::path;

impl Path {
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

    /// This folder and those below it, each with the names of what is in it. Links are not followed
    /// unless [`follow_links`](WalkFolders::follow_links) says so. Each comes before those in it;
    /// [`bottom_up`](WalkFolders::bottom_up) turns that round.
    pub fn walk_folders(&self) -> WalkFolders {
        WalkFolders::new(self.clone())
    }
}
