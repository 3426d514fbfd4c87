//! File system calls on worker threads.

use crate::{
    error::{Error, Result},
    runtime::{Descriptor, Refusal},
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

/// Does something with two paths on a worker thread.
pub(super) async fn with_paths<T: Send + 'static>(
    operation: &'static str,
    paths: (&Path, &Path),
    work: impl FnOnce(PathBuf, PathBuf) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let (from, to) = (paths.0.to_owned(), paths.1.to_owned());
    let result = to_thread::for_files(move || work(from, to)).await?;
    result.map_err(|error| Error::of_operation(error, operation, arrow(paths)))
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

/// The driver's answer, or where it does not know the operation, the worker thread's.
pub(super) async fn unless_unsupported<T>(
    answer: Result<T, Refusal>,
    name: impl FnOnce(Refusal) -> Error,
    otherwise: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    match answer {
        Ok(value) => Ok(value),
        Err(Refusal::Unsupported) => otherwise().await,
        Err(refusal) => Err(name(refusal)),
    }
}
