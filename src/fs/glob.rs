//! Finding files by patterns.

use super::{FileType, Walk, walk};
use crate::error::{Error, Result};
use globset::{GlobBuilder, GlobMatcher};
use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// Finds what matches a pattern: `*` and `?` stand for anything within a name, `[a-z]` for one of these characters,
/// `{a,b}` for one of these, and `**` for any number of folders. Links are not followed. There is no order.
///
/// ```
/// use anyio::{Result, fs};
///
/// # anyio::run(async || -> Result<()> {
/// let mut found = fs::glob("/proc/self/stat*")?;
/// let mut count = 0;
/// while let Some(path) = found.next().await? {
///     assert!(path.starts_with("/proc/self"));
///     count += 1;
/// }
/// assert!(count >= 3);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Io`] of the kind `InvalidInput` if the pattern makes no sense.
pub fn glob(pattern: impl AsRef<Path>) -> Result<Glob> {
    Glob::new(Path::new(""), pattern.as_ref())
}

/// What matches a pattern. Made by [`glob`].
#[derive(Debug)]
pub struct Glob {
    walk: Walk,
    /// The folder from which the walk starts, as the found paths are to show it.
    start: PathBuf,
    pattern: String,
    matcher: GlobMatcher,
    sensitive: bool,
}

impl Glob {
    /// A pattern relative to a folder.
    pub(crate) fn new(folder: &Path, pattern: &Path) -> Result<Self> {
        let refuse = |error: &str| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, error);
            Error::of_operation(error, "glob", pattern.display())
        };
        let text = pattern.to_str().ok_or_else(|| refuse("the pattern is not UTF-8"))?;
        if text.is_empty() {
            return Err(refuse("the pattern is empty"));
        }
        // What comes before the first pattern is a folder like any other; at least the last component is a pattern.
        let components: Vec<Component<'_>> = pattern.components().collect();
        let plain = components
            .iter()
            .take(components.len().saturating_sub(1))
            .take_while(|component| !is_pattern(component))
            .count();
        let start = folder.join(components[..plain].iter().collect::<PathBuf>());
        let rest: PathBuf = components[plain..].iter().collect();
        let pattern_text = rest.to_str().ok_or_else(|| refuse("the pattern is not UTF-8"))?.to_owned();
        let matcher = matcher(&pattern_text, true).map_err(|error| refuse(&error.to_string()))?;
        let root = if start.as_os_str().is_empty() { Path::new(".") } else { &start };
        let depth = match pattern_text.contains("**") {
            true => usize::MAX,
            false => components.len() - plain,
        };
        Ok(Self { walk: walk(root).max_depth(depth), start, pattern: pattern_text, matcher, sensitive: true })
    }

    /// Whether capital and small letters are different ones behind the pattern's first special character. Yes by default.
    #[must_use]
    pub fn case_sensitive(mut self, sensitive: bool) -> Self {
        if sensitive != self.sensitive {
            if let Ok(matcher) = matcher(&self.pattern, sensitive) {
                self.matcher = matcher;
                self.sensitive = sensitive;
            }
        }
        self
    }

    /// Whether `**` goes into links to folders. No by default.
    #[must_use]
    pub fn follow_links(mut self, follow: bool) -> Self {
        self.walk = self.walk.follow_links(follow);
        self
    }

    /// The next path, or `None` when all have been given.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if a folder cannot be read; the search can be continued without it. A folder that
    /// does not exist has nothing in it.
    ///
    /// # Cancel safety
    /// No path is lost.
    pub async fn next(&mut self) -> Result<Option<PathBuf>> {
        self.next_of(|_| true).await
    }

    /// The next path to something of a certain kind.
    pub(crate) async fn next_of(&mut self, wanted: impl Fn(FileType) -> bool) -> Result<Option<PathBuf>> {
        loop {
            let entry = match self.walk.next().await {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(None),
                Err(error) if is_nothing(&error) => continue,
                Err(error) => return Err(error),
            };
            let path = entry.path();
            let root = if self.start.as_os_str().is_empty() { Path::new(".") } else { &self.start };
            let relative = path.strip_prefix(root).unwrap_or(&path);
            if self.matcher.is_match(relative) && wanted(entry.file_type()) {
                return Ok(Some(self.start.join(relative)));
            }
        }
    }
}

fn is_pattern(component: &Component<'_>) -> bool {
    component.as_os_str().to_str().is_some_and(|text| text.contains(['*', '?', '[', '{', '\\']))
}

fn matcher(pattern: &str, sensitive: bool) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .case_insensitive(!sensitive)
        .build()?;
    Ok(glob.compile_matcher())
}

/// Whether there is simply no such folder.
fn is_nothing(error: &Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
