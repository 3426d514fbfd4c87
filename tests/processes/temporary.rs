//! Paths and files for one test.

use std::{
    fs::{self, File},
    io::{Read, Seek},
    path::PathBuf,
};

/// A new path in the folder for temporary files.
pub(crate) fn temporary_path() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("anyio-process-{}-{number}", std::process::id()))
}

pub(crate) fn temporary_file() -> File {
    let path = temporary_path();
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

pub(crate) fn contents(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
