//! Files to which all tests add what they count, so that sums can be made of it.

use std::{fs::OpenOptions, io::Write, path::Path};

/// Adds lines, each with a name and a number, to the file that this variable of the environment names, in one write.
///
/// # Panics
/// If the file cannot be written.
pub(super) fn add_to_tally(variable: &str, path: &Path, lines: &str) {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = opened.and_then(|mut file| file.write_all(lines.as_bytes())) {
        panic!("{variable} names {}: {error}", path.display());
    }
}
