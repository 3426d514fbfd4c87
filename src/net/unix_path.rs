//! Paths of UNIX sockets: as addresses, and as files that are in the way.

use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, PermissionsExt},
    },
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The address of a path. On Linux one that begins with a zero byte is an abstract name, which may be of any bytes.
///
/// # Errors
/// `InvalidInput` if the path is empty, for which the system would choose a name of its own, if it has a zero byte, where
/// the system would cut it, or if it is too long.
pub(super) fn address(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_bytes();
    let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if bytes.is_empty() {
        return refuse("the path of a socket is empty");
    }
    if !is_abstract(path) && bytes.contains(&0) {
        return refuse("the path of a socket has a zero byte");
    }
    SockAddr::unix(path)
}

/// Whether it is a name in place of a file.
fn is_abstract(path: &Path) -> bool {
    cfg!(any(target_os = "linux", target_os = "android")) && path.as_os_str().as_bytes().first() == Some(&0)
}

/// How a socket's file is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileOptions {
    pub(super) mode: Option<u32>,
    /// A socket that is there already is kept if somebody has it open.
    pub(super) keep_living: bool,
}

/// Binds a socket to a path. A socket's file that is there is replaced, but only if that can be done: otherwise it stays
/// what it was.
///
/// # Errors
/// What [`address`] says, and the system. `AddrInUse` if somebody has the socket open that is there, and it is to be kept.
pub(super) fn bind(socket: &Socket, path: &Path, options: FileOptions) -> io::Result<()> {
    let address = address(path)?;
    if is_abstract(path) {
        return socket.bind(&address);
    }
    let old = SetAside::take(path, &address, options.keep_living)?;
    if let Err(error) = bind_file(socket, path, &address, options.mode) {
        if let Some(old) = old {
            old.put_back(path)?;
        }
        return Err(error);
    }
    old.map_or(Ok(()), SetAside::remove)
}

fn bind_file(socket: &Socket, path: &Path, address: &SockAddr, mode: Option<u32>) -> io::Result<()> {
    socket.bind(address)?;
    let Some(mode) = mode else { return Ok(()) };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).inspect_err(|_| {
        // It has just been made here.
        let _ = fs::remove_file(path);
    })
}

/// The file of an old socket, under another name.
struct SetAside(OsString);

impl SetAside {
    /// Renames the socket's file of this path, if it is one.
    fn take(path: &Path, address: &SockAddr, keep_living: bool) -> io::Result<Option<Self>> {
        if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            return Ok(None);
        }
        if keep_living && is_living(address)? {
            let why = "a socket of this path is in use";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut name = path.as_os_str().to_owned();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        name.push(format!(".{}-{number}", process::id()));
        match fs::rename(path, &name) {
            Ok(()) => Ok(Some(Self(name))),
            // Somebody was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives it its name back, unless another has that by now.
    fn put_back(self, path: &Path) -> io::Result<()> {
        match fs::hard_link(&self.0, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(&self.0, path),
            _ => self.remove(),
        }
    }

    fn remove(self) -> io::Result<()> {
        fs::remove_file(self.0)
    }
}

/// Whether somebody has the socket of this address open. Asks by connecting, which one that listens sees as a connection
/// that ends at once.
fn is_living(address: &SockAddr) -> io::Result<bool> {
    let asking = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    asking.set_nonblocking(true)?;
    match asking.connect(address) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::ECONNREFUSED | libc::ENOENT) => Ok(false),
            // A full queue, another type of socket, or no permission to ask: somebody may have it.
            _ => Ok(true),
        },
    }
}
