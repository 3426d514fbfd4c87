//! The path that a request asks for.

use http::StatusCode;
use percent_encoding::percent_decode_str;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

/// A path within the folder that is served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// None of its names is empty, `.` or `..`, or contains `/` or a zero byte.
    pub(super) path: PathBuf,
    /// Whether it ended with a slash, as those of folders do.
    pub(super) is_folder: bool,
    /// The last segment, as it was written.
    pub(super) last: String,
}

impl Target {
    /// Takes the path of a request apart.
    ///
    /// # Errors
    /// The status for one that leads nowhere.
    pub(super) fn parse(path: &str) -> Result<Self, StatusCode> {
        let mut names = PathBuf::new();
        for segment in path.split('/') {
            let name: Vec<u8> = percent_decode_str(segment).collect();
            match &*name {
                b"" | b"." => {}
                b".." => return Err(StatusCode::FORBIDDEN),
                _ if name.contains(&0) => return Err(StatusCode::BAD_REQUEST),
                // No file has such a name.
                _ if name.contains(&b'/') => return Err(StatusCode::NOT_FOUND),
                _ => names.push(OsStr::from_bytes(&name)),
            }
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_folder = names.as_os_str().is_empty() || matches!(last, "" | ".");
        Ok(Self { path: names, is_folder, last: last.to_owned() })
    }
}
