//! Where a file has contents, and where it has holes.
//!
//! # Contract
//! The call takes the number of a descriptor that is open meanwhile, and no memory.

use std::{fs::File, io, ops::Range, os::fd::AsRawFd};

/// The next part with contents from a position on, or `None` if only a hole is left. Moves the file's cursor. Blocks.
pub(super) fn next_contents(file: &File, position: u64) -> io::Result<Option<Range<u64>>> {
    let start = match seek(file, position, libc::SEEK_DATA) {
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(None),
        // The file system knows nothing of holes.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(Some(position..u64::MAX)),
        start => start?,
    };
    Ok(Some(start..seek(file, start, libc::SEEK_HOLE)?))
}

fn seek(file: &File, position: u64, to: libc::c_int) -> io::Result<u64> {
    let position =
        libc::off_t::try_from(position).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    // SAFETY: see the contract.
    let found = unsafe { libc::lseek(file.as_raw_fd(), position, to) };
    u64::try_from(found).map_err(|_| io::Error::last_os_error())
}
