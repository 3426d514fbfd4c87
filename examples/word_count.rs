//! Counts lines, words and bytes of many files, several at a time.
//!
//! ```text
//! cargo run --release --example word_count -- /usr/share/common-licenses
//! ```

use anyio::{IoBufMut, Path, fs::File, task_group};
use clap::Parser;
use output::say;
use std::{
    cell::{Cell, RefCell},
    num::NonZeroUsize,
    ops::AddAssign,
    path::PathBuf,
    process::ExitCode,
};

#[path = "shared/output.rs"]
mod output;

/// Counts lines, words and bytes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Files, or folders of which all files are counted.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// How many files are read at a time.
    #[arg(long, default_value = "16")]
    jobs: NonZeroUsize,
    /// Shows the sum only.
    #[arg(long)]
    total: bool,
}

/// How much is read at a time, in bytes.
const PIECE: usize = 128 << 10;

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

impl Counts {
    fn show(&self, name: impl std::fmt::Display) -> std::io::Result<()> {
        say!("{:>8} {:>8} {:>10} {name}", self.lines, self.words, self.bytes)
    }
}

fn main() -> ExitCode {
    output::conclude(count_all(&Arguments::parse()).map(|()| ExitCode::SUCCESS))
}

fn count_all(arguments: &Arguments) -> anyhow::Result<()> {
    anyio::Builder::new().run(async || {
        let files = RefCell::new(find(&arguments.paths).await?.into_iter());
        let total = Cell::new(Counts::default());
        let (files_in, total_in, only_total) = (&files, &total, arguments.total);
        task_group(async |tg| -> anyhow::Result<()> {
            for _ in 0..arguments.jobs.get() {
                tg.start_soon(async move {
                    let mut buffer = Vec::with_capacity(PIECE);
                    loop {
                        let Some(path) = files_in.borrow_mut().next() else { return Ok(()) };
                        let counts;
                        (counts, buffer) = count(&path, buffer).await?;
                        let mut sum = total_in.get();
                        sum += counts;
                        total_in.set(sum);
                        if !only_total {
                            counts.show(path.display())?;
                        }
                    }
                });
            }
            Ok(())
        })
        .await?;
        total.get().show("total")?;
        Ok(())
    })?
}

/// The files that are named, and those in the folders that are.
async fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<Path>> {
    let mut files = Vec::new();
    for path in paths.iter().cloned().map(Path::from) {
        if !path.is_dir().await? {
            files.push(path);
            continue;
        }
        let mut walk = path.walk();
        while let Some(entry) = walk.next().await? {
            if entry.file_type().is_file() {
                files.push(entry.path().into());
            }
        }
    }
    Ok(files)
}

/// Counts one file, with a buffer that is lent and given back.
async fn count(path: &Path, mut buffer: Vec<u8>) -> anyhow::Result<(Counts, Vec<u8>)> {
    let mut file = File::open(path).await?;
    let mut counts = Counts::default();
    let mut in_word = false;
    loop {
        buffer.clear();
        let (read, room) = file.read(buffer.room(0, PIECE)).await;
        let read = read?;
        buffer = room.into_inner();
        if read == 0 {
            file.close().await?;
            return Ok((counts, buffer));
        }
        for &byte in &buffer[..read] {
            let space = byte.is_ascii_whitespace() || byte == 0x0b;
            counts.lines += u64::from(byte == b'\n');
            counts.words += u64::from(!space && !in_word);
            in_word = !space;
        }
        counts.bytes += read as u64;
    }
}
