//! The files that are read and written, and what has to be in them.
//!
//! Workers run in the folder, so they know them by these names.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

/// The large file. Each eight bytes of it say where they are.
pub(crate) const LARGE: &str = "large";
/// A large file's size: too much for the processor's caches, little for a disk.
pub(crate) const LARGE_BYTES: u64 = 256 << 20;
/// How much random reads read.
pub(crate) const BLOCK_BYTES: usize = 4 << 10;
/// How much long reads and writes transfer at a time.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// How many small files there are.
const SMALL_FILES: u64 = 10_000;
/// A small file's size. Its bytes are those at the beginning of the large one, after its number.
pub(crate) const SMALL_BYTES: usize = 1 << 10;

/// The name of a small file.
pub(crate) fn small(number: u64) -> String {
    format!("small/{:05}", number % SMALL_FILES)
}

/// The name of the file that a worker of this process writes.
pub(crate) fn written() -> String {
    format!("written-{}", std::process::id())
}

/// Random places of blocks, the same ones for each peer.
pub(crate) struct Places(fastrand::Rng);

impl Places {
    /// Those of one of several tasks.
    pub(crate) fn of_task(task: u64) -> Self {
        Self(fastrand::Rng::with_seed(task))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.u64(0..LARGE_BYTES / BLOCK_BYTES as u64) * BLOCK_BYTES as u64
    }
}

/// Checks what was read of the large file, by its length, beginning and end.
pub(crate) fn check_large(bytes: &[u8], place: u64, length: usize) -> anyhow::Result<()> {
    ensure!(bytes.len() == length, "{} bytes were read instead of {length}", bytes.len());
    let last = place + length as u64 - 8;
    ensure!(bytes[..8] == place.to_le_bytes() && bytes[length - 8..] == last.to_le_bytes(), "wrong bytes");
    Ok(())
}

/// Checks what was read of a small file, and what is said to be its size.
pub(crate) fn check_small(bytes: &[u8], size: u64, number: u64) -> anyhow::Result<()> {
    ensure!(size == SMALL_BYTES as u64, "a small file has {size} bytes");
    ensure!(bytes.len() == SMALL_BYTES && bytes[..8] == (number % SMALL_FILES).to_le_bytes(), "wrong bytes");
    Ok(())
}

/// What is written over and over again.
pub(crate) fn piece() -> Vec<u8> {
    (0..PIECE_BYTES as u64 / 8).flat_map(|word| (8 * word).to_le_bytes()).collect()
}

/// Checks and removes what a worker has written.
pub(crate) fn check_written(pieces: u64) -> anyhow::Result<()> {
    let contents = fs::read(written())?;
    ensure!(contents.len() as u64 == pieces * PIECE_BYTES as u64, "not all was written");
    let expected = piece();
    ensure!(contents.chunks(PIECE_BYTES).all(|piece| piece == expected), "wrong bytes were written");
    Ok(fs::remove_file(written())?)
}

/// The folder with the files. Dropping it removes them.
pub(crate) struct SampleFiles {
    folder: PathBuf,
}

impl SampleFiles {
    pub(crate) fn make(parent: &Path) -> anyhow::Result<Self> {
        let folder = parent.join(format!("anyio-benches-files-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let made = Self { folder };
        made.fill().with_context(|| made.folder.display().to_string())?;
        Ok(made)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn fill(&self) -> io::Result<()> {
        let mut large = BufWriter::with_capacity(PIECE_BYTES, File::create_new(self.folder.join(LARGE))?);
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        for begin in (0..LARGE_BYTES).step_by(PIECE_BYTES) {
            piece.clear();
            let words = (begin..begin + PIECE_BYTES as u64).step_by(8);
            piece.extend(words.flat_map(u64::to_le_bytes));
            large.write_all(&piece)?;
        }
        // What is not on the disk yet would be written under the eyes of the first rows.
        large.into_inner()?.sync_all()?;
        fs::create_dir(self.folder.join("small"))?;
        piece.truncate(SMALL_BYTES);
        for number in 0..SMALL_FILES {
            piece[..8].copy_from_slice(&number.to_le_bytes());
            fs::write(self.folder.join(small(number)), &piece)?;
        }
        File::open(self.folder.join("small"))?.sync_all()
    }
}

impl Drop for SampleFiles {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("could not remove {}: {error}", self.folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_hold_what_is_checked_and_are_removed() {
        let samples = SampleFiles::make(&std::env::temp_dir()).unwrap();
        let folder = samples.folder().to_owned();
        let large = fs::read(folder.join(LARGE)).unwrap();
        assert_eq!(large.len() as u64, LARGE_BYTES);
        let place = Places::of_task(7).next();
        let block = &large[place as usize..][..BLOCK_BYTES];
        check_large(block, place, BLOCK_BYTES).unwrap();
        assert!(check_large(block, place + BLOCK_BYTES as u64, BLOCK_BYTES).is_err());
        let number = 12_345;
        check_small(&fs::read(folder.join(small(number))).unwrap(), SMALL_BYTES as u64, number).unwrap();
        drop(samples);
        assert!(!folder.exists());
    }
}
