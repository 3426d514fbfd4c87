//! What files know as streams, also through wrappers.
//!
//! ```
//! use anyio::{Result, fs::{self, FileReadStream}, streams::{Attributes, BufferedByteStream}};
//!
//! # anyio::run(async || -> Result<()> {
//! let stream = BufferedByteStream::new(FileReadStream::open("/proc/self/status").await?);
//! assert!(stream.extra::<fs::attribute::Path>().unwrap().ends_with("status"));
//! # Ok(()) }).unwrap();
//! ```

use crate::streams::Attribute;
use std::{os::fd::RawFd, path::PathBuf};

/// The path with which the file was opened. Unknown if it was not opened here.
#[derive(Debug)]
pub enum Path {}

impl Attribute for Path {
    type Value = PathBuf;
}

/// The number of the file's descriptor, which is the file's as long as that is open.
#[derive(Debug)]
pub enum RawDescriptor {}

impl Attribute for RawDescriptor {
    type Value = RawFd;
}
