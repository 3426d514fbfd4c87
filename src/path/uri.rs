//! Paths as URIs.

use super::Path;
use crate::error::{Error, Result};
use std::{
    ffi::OsString,
    fmt::Write,
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

const PLAIN: &[u8] = b"/-._~!$&'()*+,;=:@";

impl Path {
    /// The path as a `file:` URI.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if the path is not absolute.
    pub fn as_uri(&self) -> Result<String> {
        if !self.is_absolute() {
            return Err(self.invalid("make a URI of", "the path is not absolute"));
        }
        let mut uri = String::from("file://");
        for &byte in self.as_os_str().as_bytes() {
            match byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) {
                true => uri.push(byte.into()),
                // Writing to a string does not fail.
                false => drop(write!(uri, "%{byte:02X}")),
            }
        }
        Ok(uri)
    }

    /// The path of a `file:` URI on this host.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if it is none.
    pub fn from_uri(uri: &str) -> Result<Path> {
        decode(uri).map(Path).ok_or_else(|| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not a file's URI on this host");
            Error::of_operation(error, "read the URI", uri)
        })
    }
}

fn decode(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file:")?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.bytes();
    while let Some(byte) = left.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                (16 * digit(left.next())? + digit(left.next())?) as u8
            }
            byte => byte,
        });
    }
    (!bytes.contains(&0)).then(|| OsString::from_vec(bytes).into())
}
