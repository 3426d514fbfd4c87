//! Listeners that a program is started with.
//!
//! # Contract
//! A descriptor is taken once in a process, only if the environment says that it was opened for this process, and after
//! the system has said that it is open and was not opened by this program: what is handed over survives `exec`, and what this
//! program and its libraries open (such as the ring of the runtime) is closed by it.

use super::{TcpListener, UnixListener};
use crate::{
    error::{Error, Quoted, Result},
    runtime::calls::{self, Options},
};
use socket2::{Domain, Type};
use std::{
    env, fmt, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    process,
    sync::atomic::{AtomicBool, Ordering},
};

/// The first descriptor that a service manager hands over.
const FIRST: RawFd = 3;

/// A socket that the program was started with.
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritedSocket {
    /// A TCP socket that listens.
    Tcp(TcpListener),
    /// A UNIX socket that listens.
    Unix(UnixListener),
    /// Anything else: a socket for datagrams, a pipe, a file.
    Other(OwnedFd),
}

/// A socket that the program was started with, and its name. Given by [`listeners_from_environment`].
#[derive(Debug)]
#[non_exhaustive]
pub struct InheritedListener {
    /// The name that the service manager gives it (`FileDescriptorName=`), if it gives names.
    pub name: Option<String>,
    /// The socket.
    pub socket: InheritedSocket,
}

/// The listeners that a service manager such as systemd has opened for this program: the protocol of `sd_listen_fds(3)`, with
/// the environment's `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`. None if there are no such variables, or if they were
/// meant for another process. They are closed on exec from now on.
///
/// They can be taken once in a process, since they have one owner: later calls give none.
///
/// ```
/// use anyio::{Result, net::{InheritedSocket, TcpListener, listeners_from_environment}};
///
/// # anyio::run(async || -> Result<()> {
/// let mut inherited = listeners_from_environment()?.into_iter();
/// let listener = match inherited.next().map(|listener| listener.socket) {
///     Some(InheritedSocket::Tcp(listener)) => listener,
///     // Started by hand.
///     _ => TcpListener::bind("127.0.0.1:0").await?,
/// };
/// # drop(listener);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Io`] of the kind `InvalidInput` if the variables make no sense, or name descriptors that are not open or are the
/// program's own; then none is taken. Or what the system says of one of them: then those before it are closed, and none is given
/// again.
///
/// # Panics
/// Outside of a run.
pub fn listeners_from_environment() -> Result<Vec<InheritedListener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| env::var(name).ok();
    let Some(count) = announced(variable("LISTEN_PID"), variable("LISTEN_FDS"))? else {
        return Ok(Vec::new());
    };
    if TAKEN.load(Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    for number in FIRST..FIRST + count {
        check_handed_over(number)
            .map_err(|error| Error::of_operation(error, "take over", Descriptor(number)))?;
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.iter().flat_map(|names| names.split(':'));
    let mut inherited = Vec::new();
    for number in FIRST..FIRST + count {
        let name = names.next().map(str::to_owned);
        close_on_exec(number).map_err(|error| Error::of_operation(error, "take over", Descriptor(number)))?;
        // SAFETY: it is open, was opened for this program, and nobody has taken it before.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        inherited.push(InheritedListener { name, socket: InheritedSocket::of(descriptor)? });
    }
    Ok(inherited)
}

/// How many descriptors are meant for this process.
fn announced(process: Option<String>, count: Option<String>) -> Result<Option<RawFd>> {
    let (Some(process), Some(count)) = (process, count) else { return Ok(None) };
    let number = |name, text: &str| {
        text.parse::<u32>().map_err(|_| {
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, format!("{:?} is no number", Quoted(text)));
            Error::of_operation(error, "read", name)
        })
    };
    if number("LISTEN_PID", &process)? != process::id() {
        return Ok(None);
    }
    let count = number("LISTEN_FDS", &count)?;
    // More than any limit of descriptors are a mistake.
    match RawFd::try_from(count).ok().filter(|&count| count <= 1 << 20) {
        Some(count) => Ok(Some(count)),
        None => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "so many descriptors cannot be open");
            Err(Error::of_operation(error, "read", "LISTEN_FDS"))
        }
    }
}

/// Whether a descriptor is open since before the program began.
fn check_handed_over(number: RawFd) -> io::Result<()> {
    // SAFETY: the call takes a number, and fails for one that is not open.
    let text = match unsafe { libc::fcntl(number, libc::F_GETFD) } {
        ..0 => "it is not open",
        flags if flags & libc::FD_CLOEXEC != 0 => "this program has opened it itself",
        _ => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn close_on_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: these calls take numbers, and fail for those that are not open.
    let done = unsafe {
        let flags = libc::fcntl(number, libc::F_GETFD);
        flags >= 0 && libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) >= 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A descriptor's number, for errors.
struct Descriptor(RawFd);

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "descriptor {}", self.0)
    }
}

impl InheritedSocket {
    fn of(descriptor: OwnedFd) -> Result<Self> {
        let kind = Options::of(&descriptor).get(|socket| socket.r#type());
        let listens = kind.is_ok_and(|kind| kind == Type::STREAM) && super::may_listen(&descriptor);
        let family = calls::local_address(&descriptor).map(|address| address.domain()).ok();
        Ok(match family {
            Some(Domain::UNIX) if listens => Self::Unix(UnixListener::from_owned(descriptor)?),
            Some(Domain::IPV4 | Domain::IPV6) if listens => Self::Tcp(TcpListener::from_owned(descriptor)?),
            _ => Self::Other(descriptor),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_for_the_process_that_the_environment_names() {
        let here = process::id().to_string();
        let of = |process: &str, count: &str| announced(Some(process.to_owned()), Some(count.to_owned()));
        assert_eq!(of(&here, "2").unwrap(), Some(2));
        assert_eq!(of("1", "2").unwrap(), None);
        assert_eq!(announced(None, Some("2".to_owned())).unwrap(), None);
        assert_eq!(announced(Some(here.clone()), None).unwrap(), None);
        for count in ["", "-1", "many", "4294967295"] {
            assert_eq!(of(&here, count).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{count}");
        }
    }
}
