//! The path that a request asks for.

use crate::{folder::is_hidden, status::Status};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

/// What has to be written as `%XX` in a segment of a path.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path within the folder that is served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The names along the path, decoded; none of them is empty, `.` or `..`, or contains `/` or a zero byte.
    names: Vec<Vec<u8>>,
    /// Whether it ended with a slash, as those of folders do.
    pub(crate) is_folder: bool,
    /// What came after the path, with its question mark.
    pub(crate) query: String,
}

impl Target {
    /// Takes a request target apart: a path, or a URL as proxies are sent.
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        let text = match text.split_once("://") {
            Some((scheme, rest))
                if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) =>
            {
                rest.find(['/', '?']).map_or("/", |end| &rest[end..])
            }
            _ if text.starts_with('/') => text,
            _ => return Err(Status::BadRequest),
        };
        let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
        let mut names = Vec::new();
        for segment in path.split('/') {
            let name: Vec<u8> = percent_decode_str(segment).collect();
            match &*name {
                b"" | b"." => {}
                b".." => return Err(Status::Forbidden),
                _ if name.contains(&0) => return Err(Status::BadRequest),
                // No file has such a name.
                _ if name.contains(&b'/') => return Err(Status::NotFound),
                _ => names.push(name),
            }
        }
        let is_folder = names.is_empty() || path.ends_with('/') || path.ends_with("/.");
        Ok(Self { names, is_folder, query: query.to_owned() })
    }

    /// The path of the file, relative to the folder that is served.
    pub(crate) fn relative(&self) -> PathBuf {
        self.names.iter().map(|name| OsStr::from_bytes(name)).collect()
    }

    /// Whether one of the names is of what is hidden.
    pub(crate) fn is_hidden(&self) -> bool {
        self.names.iter().any(|name| is_hidden(name))
    }

    /// The path of the folder as it should have been asked for. It never begins with two slashes, which would lead to
    /// another host.
    pub(crate) fn as_folder(&self) -> String {
        let mut path: String = self.names.iter().flat_map(|name| ["/".to_owned(), encode(name)]).collect();
        path.push('/');
        path.push_str(&self.query);
        path
    }
}

/// A name as it is written in a URL.
pub(crate) fn encode(name: &[u8]) -> String {
    percent_encode(name, SEGMENT).to_string()
}
