//! How this program is started as a worker.

use super::{image, serving};
use crate::{
    error::{Error, Result},
    process::Command,
};
use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
};

/// The arguments with which this program serves; none if it does right at its beginning.
static ARGUMENTS: OnceLock<Vec<String>> = OnceLock::new();

/// Notes that the program serves at its beginning, unless this is not its beginning, but a test for example.
pub(super) fn note_program() {
    if thread::current().name() == Some("main") {
        ARGUMENTS.get_or_init(Vec::new);
    }
}

/// Makes a program of tests one that can be its own worker: by running this test alone, which serves then. The path begins
/// with the name of the crate.
pub(crate) fn serve_in_test(path: &'static str) {
    ARGUMENTS.get_or_init(|| {
        let name = path.split_once("::").map_or(path, |(_, name)| name);
        ["--exact", name, "--include-ignored", "--nocapture"].map(str::to_owned).into()
    });
    serving::serve_if_worker(&serving::no_function);
}

/// A command that starts this program as a worker.
pub(super) fn command() -> Result<Command> {
    const WITHOUT: &str =
        "a worker process of a program whose `main` does not begin with `to_process::serve`";
    let arguments = ARGUMENTS.get().ok_or(Error::Unsupported(WITHOUT))?;
    let mut command = Command::new(path()?);
    command.args(arguments);
    Ok(command)
}

/// Where the program's file is. It may have been replaced: then it still is what this process runs.
fn path() -> Result<PathBuf> {
    let running = image::program()?;
    let named = env::current_exe().ok().filter(|named| is_same(named, &running));
    Ok(named.unwrap_or(running))
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}
