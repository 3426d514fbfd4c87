//! Prints the SHA-256 sums of all files in a folder, as `sha256sum` does. They are computed by worker processes, one for
//! each processor: a worker that crashes, or that is killed because memory is short, costs one file and not the program.
//!
//! ```text
//! cargo run --release --example hash_tree -- /usr/share
//! ```

#[path = "shared/output.rs"]
mod output;

use anyio::{Error, Path, Result, sync::Semaphore, task_group, to_process};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use output::say;
use ring::digest::{Context, SHA256};
use std::{cell::Cell, fmt::Write, fs::File, io::Read, path::PathBuf, process::ExitCode};

/// Prints the SHA-256 sums of all files in a folder.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder.
    folder: PathBuf,
}

#[anyio::main]
async fn main() -> ExitCode {
    let Arguments { folder } = Arguments::parse();
    let failed = Cell::new(0);
    output::conclude(hash_tree(&Path::from(folder), &failed).await.map(|()| match failed.get() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }))
}

async fn hash_tree(folder: &Path, failed: &Cell<usize>) -> anyhow::Result<()> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {elapsed}")?;
    let progress = ProgressBar::new(0).with_style(style);
    // Enough files under way that no worker has to wait for the walk.
    let under_way = Semaphore::new(2 * to_process::current_default_process_limiter().total_tokens());
    let (under_way, progress_in) = (&under_way, &progress);
    task_group(async |tg| -> anyhow::Result<()> {
        let mut walk = folder.walk();
        while let Some(entry) = walk.next().await? {
            if !entry.file_type().is_file() {
                continue;
            }
            let path = entry.path().to_owned();
            let permit = under_way.acquire().await?;
            progress_in.inc_length(1);
            tg.start_soon(async move {
                let _permit = permit;
                let sum = to_process::run_sync(sha256, path.clone()).await;
                progress_in.inc(1);
                progress_in.suspend(|| tell(&path, sum, failed))
            });
        }
        Ok(())
    })
    .await?;
    progress.finish_and_clear();
    Ok(())
}

/// Prints a sum, or why there is none.
fn tell(
    path: &std::path::Path,
    sum: Result<Result<String, String>>,
    failed: &Cell<usize>,
) -> anyhow::Result<()> {
    let path = path.display();
    let reason = match sum {
        Ok(Ok(sum)) => return Ok(say!("{sum}  {path}")?),
        Ok(Err(reason)) => reason,
        Err(Error::BrokenWorkerProcess(broken)) => broken.to_string(),
        Err(error) => return Err(error.into()),
    };
    eprintln!("{path}: {reason}");
    failed.set(failed.get() + 1);
    Ok(())
}

/// What a worker does.
fn sha256(path: PathBuf) -> Result<String, String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    let mut text = String::new();
    for byte in context.finish().as_ref() {
        write!(text, "{byte:02x}").expect("memory takes it");
    }
    Ok(text)
}
