//! File system calls on worker threads.

use crate::{
    error::{Error, Result},
    runtime::{Descriptor, calls},
    to_thread,
};
use anyio_driver::CallKind;
use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

/// Does something with a path on a worker thread.
pub(super) async fn with_path<T: Send + 'static>(
    operation: &'static str,
    path: &Path,
    work: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let of_operation = |error| Error::of_operation(error, operation, path.display());
    calls::before_thread(CallKind::OnPath).map_err(of_operation)?;
    let owned = path.to_owned();
    to_thread::for_files(move || work(owned)).await?.map_err(of_operation)
}

/// Does something with an open file on a worker thread, which gets a descriptor of its own for it.
pub(super) async fn with_file<T: Send + 'static>(
    operation: &'static str,
    descriptor: &Descriptor,
    subject: impl Display,
    work: impl FnOnce(&fs::File) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let of_operation = |error| Error::of_operation(error, operation, &subject);
    calls::before_thread(CallKind::OnFile).map_err(of_operation)?;
    let copy = calls::duplicate(descriptor).map_err(of_operation)?;
    to_thread::for_files(move || work(&fs::File::from(copy))).await?.map_err(of_operation)
}

/// How an error names two paths.
pub(super) fn arrow((from, to): (&Path, &Path)) -> impl Display {
    format!("{} -> {}", from.display(), to.display())
}
