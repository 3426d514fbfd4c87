//! File system calls on worker threads.

use crate::{
    error::{Error, Result},
    runtime::Descriptor,
    to_thread,
};
use std::{
    fmt::Display,
    fs, io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// Does something with a path on a worker thread.
pub(super) async fn with_path<T: Send + 'static>(
    operation: &'static str,
    path: &Path,
    work: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let owned = path.to_owned();
    let result = to_thread::for_files(move || work(owned)).await?;
    result.map_err(|error| Error::of_operation(error, operation, path.display()))
}

/// Does something with an open file on a worker thread, which gets a descriptor of its own for it.
pub(super) async fn with_file<T: Send + 'static>(
    operation: &'static str,
    descriptor: &Descriptor,
    subject: impl Display,
    work: impl FnOnce(&fs::File) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let of_operation = |error| Error::of_operation(error, operation, &subject);
    let copy = descriptor.as_fd().try_clone_to_owned().map_err(of_operation)?;
    to_thread::for_files(move || work(&fs::File::from(copy))).await?.map_err(of_operation)
}

/// How an error names two paths.
pub(super) fn arrow((from, to): (&Path, &Path)) -> impl Display {
    format!("{} -> {}", from.display(), to.display())
}
