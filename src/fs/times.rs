//! Setting times by path, without following links.

use std::{
    ffi::CString,
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Sets a file's times, or a link's own. Blocks.
pub(super) fn set(path: &Path, accessed: Option<SystemTime>, modified: Option<SystemTime>) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let times = [time(accessed)?, time(modified)?];
    // SAFETY: the path is a C string, and there are two times.
    let result =
        unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn time(time: Option<SystemTime>) -> io::Result<libc::timespec> {
    let Some(time) = time else { return Ok(libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT }) };
    let beyond = || io::Error::new(io::ErrorKind::InvalidInput, "the time is beyond what the system knows");
    let (seconds, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).map_err(|_| beyond())?, since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).map_err(|_| beyond())?;
            match before.subsec_nanos() {
                0 => (-whole, 0),
                part => (-whole - 1, 1_000_000_000 - part),
            }
        }
    };
    Ok(libc::timespec { tv_sec: seconds as libc::time_t, tv_nsec: nanoseconds.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_before_1970_count_their_nanoseconds_upwards() {
        let spec = time(Some(UNIX_EPOCH - Duration::new(1, 250))).unwrap();
        assert_eq!((spec.tv_sec, spec.tv_nsec), (-2, 999_999_750));
        let spec = time(Some(UNIX_EPOCH + Duration::new(1, 250))).unwrap();
        assert_eq!((spec.tv_sec, spec.tv_nsec), (1, 250));
    }
}
