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

pub use crate::streams::RawDescriptor;

use crate::streams::Attribute;
use std::path::PathBuf;

/// The path with which the file was opened. Unknown if it was not opened here.
#[derive(Debug)]
pub enum Path {}

impl Attribute for Path {
    type Value = PathBuf;
}
