//! Names of UNIX sockets: paths, and on Linux abstract names, which as paths begin with a zero byte.

use crate::error::{Error, Result};
use socket2::SockAddr;
use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, net::SocketAddr},
    path::{Path, PathBuf},
};

/// The name as a path, if there is one.
pub(super) fn path_of(address: io::Result<SockAddr>, operation: &'static str) -> Result<Option<PathBuf>> {
    let address = address.map_err(|error| Error::of_stream(error, operation))?;
    Ok(address.as_pathname().map(Path::to_path_buf).or_else(|| abstract_path(abstract_name(&address)?)))
}

/// The address of a path, or, if that begins with a zero byte, of an abstract name. An empty one has the system choose an
/// abstract name when a socket is bound to it.
///
/// # Errors
/// If it is too long, or a path with a zero byte in it, which would be another, shorter one.
pub(super) fn of_path(path: impl AsRef<Path>) -> io::Result<SockAddr> {
    let path = path.as_ref();
    let bytes = path.as_os_str().as_bytes();
    if bytes.first().is_some_and(|&first| first != 0) && bytes.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path has no zero bytes in it"));
    }
    SockAddr::unix(path)
}

/// The path that an abstract name is known by.
fn abstract_path(name: &[u8]) -> Option<PathBuf> {
    let mut path = vec![0];
    path.extend_from_slice(name);
    Some(PathBuf::from(OsStr::from_bytes(&path)))
}

/// The same of a sender's address.
pub(super) fn path_of_sender(address: &SocketAddr) -> Option<PathBuf> {
    address.as_pathname().map(Path::to_path_buf).or_else(|| abstract_path(abstract_sender(address)?))
}

/// The address of a sender, as the system has written it. Of what is none, that of a socket without a name.
pub(super) fn sender(name: &[u8]) -> SocketAddr {
    let path = name.get(PATH..).unwrap_or_default();
    let address = match path.split_first() {
        None => return unnamed(),
        Some((0, rest)) => from_abstract(rest),
        Some(_) => {
            let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
            SocketAddr::from_pathname(OsStr::from_bytes(&path[..end]))
        }
    };
    address.unwrap_or_else(|_| unnamed())
}

/// Where the path begins in an address.
const PATH: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);

fn unnamed() -> SocketAddr {
    SocketAddr::from_pathname("").expect("an empty path is not too long")
}

/// The address of a sender, to be sent to. A socket without a name cannot be.
///
/// # Errors
/// If there is no name.
pub(super) fn to_sender(address: &SocketAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return SockAddr::unix(path);
    }
    let Some(name) = abstract_sender(address) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket without a name cannot be sent to"));
    };
    let mut path = [0; size_of::<libc::sockaddr_un>()];
    path[1..=name.len()].copy_from_slice(name);
    SockAddr::unix(OsStr::from_bytes(&path[..=name.len()]))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod names {
    use socket2::SockAddr;
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::{io, os::unix::net::SocketAddr};

    pub(super) fn abstract_name(address: &SockAddr) -> Option<&[u8]> {
        address.as_abstract_namespace()
    }

    pub(super) fn abstract_sender(address: &SocketAddr) -> Option<&[u8]> {
        address.as_abstract_name()
    }

    pub(super) fn from_abstract(name: &[u8]) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(name)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod names {
    use socket2::SockAddr;
    use std::{io, os::unix::net::SocketAddr};

    pub(super) fn abstract_name(_: &SockAddr) -> Option<&[u8]> {
        None
    }

    pub(super) fn abstract_sender(_: &SocketAddr) -> Option<&[u8]> {
        None
    }

    pub(super) fn from_abstract(_: &[u8]) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

use names::{abstract_name, abstract_sender, from_abstract};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_byte_makes_a_name_abstract_or_wrong() {
        assert!(of_path("/tmp/a").is_ok() && of_path("\0a\0b").is_ok());
        for path in ["a\0", "/tmp/a\0b"] {
            assert_eq!(of_path(path).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
    }

    #[test]
    fn names_are_read_and_can_be_answered() {
        for path in ["/tmp/a", "b", "\0abstract", "\0with\0zeroes\0"] {
            let raw = SockAddr::unix(path).unwrap();
            // SAFETY: an address is as long as it says.
            let bytes = unsafe { std::slice::from_raw_parts(raw.as_ptr().cast::<u8>(), raw.len() as usize) };
            let sender = sender(bytes);
            assert_eq!(path_of_sender(&sender).as_deref(), Some(Path::new(path)));
            let answer = to_sender(&sender).unwrap();
            assert_eq!(path_of(Ok(answer), "test").unwrap().as_deref(), Some(Path::new(path)));
        }
        assert!(sender(&[]).is_unnamed() && sender(&[1, 0]).is_unnamed());
        assert!(to_sender(&unnamed()).is_err());
        assert_eq!(path_of_sender(&unnamed()), None);
    }
}
