//! What can be told from a path alone.

use super::Path;
use crate::error::{Error, Result};
use globset::GlobBuilder;
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{self, Component, PathBuf},
};

impl Path {
    /// The components, the root among them.
    pub fn parts(&self) -> Vec<&OsStr> {
        self.0.components().map(Component::as_os_str).collect()
    }

    /// `/` if the path is absolute, else nothing.
    pub fn root(&self) -> &'static str {
        if self.0.has_root() { "/" } else { "" }
    }

    /// The part that a path has in common with all absolute ones: here the same as [`root`](Self::root).
    pub fn anchor(&self) -> &'static str {
        self.root()
    }

    /// The path without its last component, or `None` of the root and of nothing.
    pub fn parent(&self) -> Option<Path> {
        self.0.parent().map(Path::from)
    }

    /// The paths above this one, the nearest first.
    pub fn parents(&self) -> impl Iterator<Item = Path> + '_ {
        self.0.ancestors().skip(1).map(Path::from)
    }

    /// The last component, or nothing if there is none or it is `..`.
    pub fn name(&self) -> &OsStr {
        self.0.file_name().unwrap_or_default()
    }

    /// What comes from the last dot of the name on, the dot included: `.gz`. Nothing if there is no dot, or only at the
    /// beginning or the end of the name.
    pub fn suffix(&self) -> &OsStr {
        self.name_at_suffix().1
    }

    /// All that come after dots in the name, the dots included: `.tar` and `.gz`.
    pub fn suffixes(&self) -> Vec<&OsStr> {
        let name = self.name().as_bytes();
        if name.ends_with(b".") {
            return Vec::new();
        }
        let begin = name.iter().position(|&byte| byte != b'.').unwrap_or(name.len());
        let dots: Vec<usize> = (begin..name.len()).filter(|&place| name[place] == b'.').collect();
        let ends = dots.iter().skip(1).copied().chain([name.len()]);
        dots.iter().zip(ends).map(|(&dot, end)| OsStr::from_bytes(&name[dot..end])).collect()
    }

    /// The name without its suffix.
    pub fn stem(&self) -> &OsStr {
        self.name_at_suffix().0
    }

    fn name_at_suffix(&self) -> (&OsStr, &OsStr) {
        let name = self.name().as_bytes();
        let begin = name.iter().position(|&byte| byte != b'.').unwrap_or(name.len());
        let dot = name.iter().rposition(|&byte| byte == b'.');
        let cut = dot.filter(|&dot| dot > begin && dot + 1 < name.len()).unwrap_or(name.len());
        (OsStr::from_bytes(&name[..cut]), OsStr::from_bytes(&name[cut..]))
    }

    /// The path as text with forward slashes; what is not UTF-8 is replaced.
    pub fn as_posix(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// Whether the path begins at the root.
    pub fn is_absolute(&self) -> bool {
        self.0.is_absolute()
    }

    /// Whether the path begins with all components of another.
    pub fn is_relative_to(&self, other: impl AsRef<path::Path>) -> bool {
        self.0.starts_with(other)
    }

    /// This path and another behind it; an absolute one replaces this one.
    #[must_use]
    pub fn join(&self, other: impl AsRef<path::Path>) -> Path {
        self / other
    }

    /// This path and all of these behind it, one after the other.
    #[must_use]
    pub fn join_all(&self, others: impl IntoIterator<Item: AsRef<path::Path>>) -> Path {
        others.into_iter().fold(self.clone(), |path, other| path / other)
    }

    /// The path from another one to this.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if this is not below the other.
    pub fn relative_to(&self, other: impl AsRef<path::Path>) -> Result<Path> {
        let other = other.as_ref();
        self.0.strip_prefix(other).map(Path::from).map_err(|_| self.not_below(other))
    }

    /// The path from another one to this, also if it has to go up at first.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if only one of the two is absolute, or if it would have to go up from a
    /// `..`.
    pub fn relative_to_walking_up(&self, other: impl AsRef<path::Path>) -> Result<Path> {
        let other = other.as_ref();
        if self.0.has_root() != other.has_root() {
            return Err(self.not_below(other));
        }
        let common = self.0.components().zip(other.components()).take_while(|(here, there)| here == there);
        let common = common.count();
        let up: Vec<Component<'_>> = other.components().skip(common).collect();
        if up.contains(&Component::ParentDir) {
            return Err(self.not_below(other));
        }
        let up = up.iter().map(|_| Component::ParentDir);
        Ok(Path(up.chain(self.0.components().skip(common)).collect()))
    }

    fn not_below(&self, other: &path::Path) -> Error {
        self.invalid("make relative", &format!("it is not below {}", other.display()))
    }

    /// The path with another last component.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if the path has no name, or the new one is none.
    pub fn with_name(&self, name: impl AsRef<OsStr>) -> Result<Path> {
        let name = name.as_ref();
        let mut components = path::Path::new(name).components();
        let is_name = matches!(
            (components.next(), components.next()),
            (Some(Component::Normal(whole)), None) if whole == name
        );
        if !is_name || self.name().is_empty() {
            return Err(self.invalid("rename", "this takes a path with a name, and a name"));
        }
        Ok(Path(self.0.with_file_name(name)))
    }

    /// The path with another name before the suffix.
    ///
    /// # Errors
    /// As for [`with_name`](Self::with_name), and if there is a suffix but the stem is empty.
    pub fn with_stem(&self, stem: impl AsRef<OsStr>) -> Result<Path> {
        let (mut name, suffix) = (stem.as_ref().to_owned(), self.suffix());
        if name.is_empty() && !suffix.is_empty() {
            return Err(self.invalid("rename", "a suffix alone is no name"));
        }
        name.push(suffix);
        self.with_name(name)
    }

    /// The path with another suffix, which begins with a dot, or with none if it is empty.
    ///
    /// # Errors
    /// As for [`with_name`](Self::with_name), and if the suffix is not one.
    pub fn with_suffix(&self, suffix: impl AsRef<OsStr>) -> Result<Path> {
        let suffix = suffix.as_ref();
        if !suffix.is_empty() && (suffix.len() == 1 || suffix.as_bytes()[0] != b'.') {
            return Err(self.invalid("rename", "a suffix is a dot and what follows it"));
        }
        let mut name: OsString = self.stem().to_owned();
        name.push(suffix);
        self.with_name(name)
    }

    /// Whether the end of the path matches a pattern like those of [`fs::glob`](crate::fs::glob); an absolute pattern has
    /// to match all of it.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if the pattern makes no sense.
    pub fn matches(&self, pattern: &str) -> Result<bool> {
        self.end_matches(pattern, true)
    }

    /// The same as [`matches`](Self::matches), where capital and small letters are the same.
    ///
    /// # Errors
    /// As for [`matches`](Self::matches).
    pub fn matches_in_any_case(&self, pattern: &str) -> Result<bool> {
        self.end_matches(pattern, false)
    }

    /// Whether the whole path matches a pattern like those of [`fs::glob`](crate::fs::glob).
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if the pattern makes no sense.
    pub fn full_match(&self, pattern: &str) -> Result<bool> {
        self.whole_matches(pattern, true)
    }

    /// The same as [`full_match`](Self::full_match), where capital and small letters are the same.
    ///
    /// # Errors
    /// As for [`full_match`](Self::full_match).
    pub fn full_match_in_any_case(&self, pattern: &str) -> Result<bool> {
        self.whole_matches(pattern, false)
    }

    fn end_matches(&self, pattern: &str, sensitive: bool) -> Result<bool> {
        let wanted = path::Path::new(pattern).components().count();
        let components: Vec<Component<'_>> = self.0.components().collect();
        if path::Path::new(pattern).has_root() {
            return self.whole_matches(pattern, sensitive);
        }
        let Some(skipped) = components.len().checked_sub(wanted) else { return Ok(false) };
        let end: PathBuf = components[skipped..].iter().collect();
        Path(end).whole_matches(pattern, sensitive)
    }

    fn whole_matches(&self, pattern: &str, sensitive: bool) -> Result<bool> {
        let mut glob = GlobBuilder::new(pattern);
        match glob.literal_separator(true).backslash_escape(true).case_insensitive(!sensitive).build() {
            Ok(glob) => Ok(glob.compile_matcher().is_match(&self.0)),
            Err(error) => Err(self.invalid("match", &error.to_string())),
        }
    }

    pub(super) fn invalid(&self, operation: &'static str, reason: &str) -> Error {
        let error = io::Error::new(io::ErrorKind::InvalidInput, reason);
        Error::of_operation(error, operation, self.display())
    }
}
