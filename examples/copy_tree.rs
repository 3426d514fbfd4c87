//! Copies a folder with all that is in it: contents, permissions, symbolic links and times.
//!
//! ```text
//! cargo run --release --example copy_tree -- /usr/share /tmp/share
//! ANYIO_BACKEND=poll cargo run --release --example copy_tree -- /usr/share /tmp/share
//! ```

use anyhow::{Context, ensure};
use anyio::{Path, fs, task_group};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    cell::{Cell, RefCell},
    io::{self, Write as _},
    num::NonZeroUsize,
    path::PathBuf,
};

/// Copies a folder with all that is in it.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder to copy.
    from: PathBuf,
    /// Where the copy goes. It must not exist yet.
    to: PathBuf,
    /// How many files are copied at a time.
    #[arg(long, default_value = "16")]
    jobs: NonZeroUsize,
}

/// What the walk has found, relative to the folder that is copied.
#[derive(Debug, Default)]
struct Found {
    /// Each after the one it is in.
    folders: Vec<PathBuf>,
    others: Vec<(PathBuf, fs::FileType)>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    anyio::Builder::new().run(async || {
        let Arguments { from, to, jobs } = arguments;
        copy_tree(&Path::from(from), &Path::from(to), jobs).await
    })?
}

async fn copy_tree(from: &Path, to: &Path, jobs: NonZeroUsize) -> anyhow::Result<()> {
    ensure!(from.is_dir().await?, "{} is not a folder", from.display());
    let found = find(from).await?;

    // Private while the copy is under way; what they are to be they become at the end.
    to.create_dir_with_mode(0o700).await?;
    for folder in &found.folders {
        (to / folder).create_dir_with_mode(0o700).await?;
    }

    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {msg}, {elapsed}")?;
    let progress = ProgressBar::new(found.others.len() as u64).with_style(style);
    let bytes = Cell::new(0);
    let waiting = RefCell::new(found.others.into_iter());
    let (waiting_in, bytes_in, progress_in) = (&waiting, &bytes, &progress);
    task_group(async |tg| -> anyhow::Result<()> {
        for _ in 0..jobs.get() {
            tg.start_soon(async move {
                loop {
                    let Some((path, kind)) = waiting_in.borrow_mut().next() else { return Ok(()) };
                    let copied = copy_one(&(from / &path), &(to / &path), kind).await?;
                    bytes_in.set(bytes_in.get() + copied);
                    progress_in.inc(1);
                    progress_in.set_message(format!("{} MiB", bytes_in.get() >> 20));
                }
            });
        }
        Ok(())
    })
    .await?;

    // The deepest first, since what is done in a folder changes its times.
    for folder in found.folders.iter().rev().map(PathBuf::as_path).chain([std::path::Path::new("")]) {
        let (source, target) = (from / folder, to / folder);
        let metadata = source.stat().await?;
        fs::set_permissions(&target, metadata.permissions()).await?;
        fs::set_times(&target, Some(metadata.accessed()?), Some(metadata.modified()?)).await?;
    }
    progress.finish();
    Ok(())
}

async fn find(from: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut walk = from.walk();
    while let Some(entry) = walk.next().await? {
        let path = entry.path().strip_prefix(from.as_path()).context("the walk left its root")?.to_owned();
        match entry.file_type() {
            kind if kind.is_dir() => found.folders.push(path),
            kind => found.others.push((path, kind)),
        }
    }
    Ok(found)
}

/// Copies something that is no folder; gives how many bytes it was.
async fn copy_one(from: &Path, to: &Path, kind: fs::FileType) -> anyhow::Result<u64> {
    let bytes = if kind.is_symlink() {
        to.symlink_to(from.readlink().await?).await?;
        0
    } else if kind.is_file() {
        fs::copy(from, to).await?
    } else {
        // Nobody may be reading that.
        let _ = writeln!(io::stderr(), "{} is a {kind:?} and is left out", from.display());
        return Ok(0);
    };
    let metadata = from.lstat().await?;
    fs::set_times(to, Some(metadata.accessed()?), Some(metadata.modified()?)).await?;
    Ok(bytes)
}
