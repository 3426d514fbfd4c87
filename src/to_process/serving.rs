//! The worker's side.
//!
//! # Contract
//! [`Address`]es come from the process that started this one, over a socket that only these two have, and only after that
//! has compared the identities of both programs.

use super::{
    image::{self, Address},
    protocol::{self, HEADER, Kind},
};
use crate::runtime::{calls, text_of};
use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::{fs::MetadataExt, net::UnixStream},
    },
    panic::{AssertUnwindSafe, catch_unwind},
    process, thread,
    time::Duration,
};

/// The variable that makes a process a worker. It names the socket that is its standard input, so that it means nothing to
/// processes which inherit it, and says how long the worker may be idle.
pub(super) const VARIABLE: &str = "ANYIO_WORKER";

/// Calls a function that is offered under a name.
pub(super) type ByName<'a> = &'a dyn Fn(&str, &[u8]) -> Result<Vec<u8>, String>;

/// What becomes of the call of a function that is not offered.
pub(super) fn no_function(name: &str, _argument: &[u8]) -> Result<Vec<u8>, String> {
    Err(format!("this program has no function {name:?} to offer"))
}

/// What the variable is to be for a worker that has this socket.
pub(super) fn variable(socket: impl AsFd, idle: Duration) -> io::Result<String> {
    let socket = File::from(calls::duplicate(socket)?).metadata()?;
    // A time that no clock can tell is as good as the longest that one can.
    let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    Ok(format!("{}:{}:{idle}", socket.dev(), socket.ino()))
}

/// Serves for as long as the parent is there, if this process was started as a worker, and then ends it.
pub(super) fn serve_if_worker(functions: ByName<'_>) {
    if let Some((socket, idle)) = socket() {
        // What is wrong with the socket is nothing that could be told to anyone.
        let _ = serve(socket, idle, functions);
        end();
    }
}

/// The socket to the parent, and how long to wait for a call.
fn socket() -> Option<(UnixStream, Duration)> {
    let given = env::var(VARIABLE).ok()?;
    let (_, idle) = given.rsplit_once(':')?;
    let idle = Duration::from_millis(idle.parse().ok()?);
    if variable(io::stdin(), idle).ok()? != given {
        return None;
    }
    let socket = io::stdin().as_fd().try_clone_to_owned().ok()?;
    // Functions read nothing from here, and have no way to the socket but by its number.
    let nothing = File::open("/dev/null").ok()?;
    // SAFETY: both are open.
    unsafe { libc::dup2(nothing.as_raw_fd(), libc::STDIN_FILENO) };
    Some((socket.into(), idle))
}

fn serve(mut socket: UnixStream, idle: Duration, functions: ByName<'_>) -> io::Result<()> {
    die_with_parent();
    let number = process::id();
    let watched = socket.as_raw_fd();
    thread::Builder::new().name("anyio-parent".into()).stack_size(64 * 1024).spawn(move || watch(watched))?;
    write(&mut socket, Kind::Ready, &image::identity()?)?;
    loop {
        socket.set_read_timeout(Some(idle.max(Duration::from_millis(1))))?;
        let mut header = [0; HEADER];
        socket.read_exact(&mut header[..1])?;
        socket.set_read_timeout(None)?;
        socket.read_exact(&mut header[1..])?;
        let (kind, length) = protocol::parse(&header).ok_or(io::ErrorKind::InvalidData)?;
        let mut body = Vec::new();
        if (&mut socket).take(length as u64).read_to_end(&mut body)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write(&mut socket, Kind::Begun, &[])?;
        let called = catch_unwind(AssertUnwindSafe(|| perform(functions, kind, &body)));
        if process::id() != number {
            // A function has forked and come back twice. This is the copy, to whom nobody talks.
            // SAFETY: it ends the process.
            unsafe { libc::_exit(0) };
        }
        match called {
            Ok(Ok(value)) => write(&mut socket, Kind::Value, &value)?,
            Ok(Err(refusal)) => write(&mut socket, Kind::Refused, refusal.as_bytes())?,
            Err(payload) => write(&mut socket, Kind::Panicked, text_of(payload).as_bytes())?,
        }
    }
}

fn perform(functions: ByName<'_>, kind: Kind, body: &[u8]) -> Result<Vec<u8>, String> {
    let nonsense = || "the call is not to be understood".to_owned();
    match kind {
        Kind::Call => {
            let (address, argument) = body.split_first_chunk().ok_or_else(nonsense)?;
            // SAFETY: it comes from the parent, which is the same program: see the contract.
            unsafe { Address::from_bytes(address).call(argument) }
        }
        Kind::CallByName => {
            let (name, argument) = protocol::parse_name(body).ok_or_else(nonsense)?;
            functions(name, argument)
        }
        _ => Err(nonsense()),
    }
}

fn write(socket: &mut UnixStream, kind: Kind, body: &[u8]) -> io::Result<()> {
    socket.write_all(&protocol::header(kind, body.len()))?;
    socket.write_all(body)
}

/// Has the system kill this process when the thread that has started it ends: it is that of a run, which does not outlive it.
/// That reaches a process that is stopped, too, which cannot watch for itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn die_with_parent() {
    // SAFETY: it is about this process alone.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn die_with_parent() {}

/// Ends the worker when the parent is gone, also while a function runs.
fn watch(socket: RawFd) {
    let mut polled = libc::pollfd { fd: socket, events: 0, revents: 0 };
    loop {
        // SAFETY: there is one record, which is this function's own.
        let count = unsafe { libc::poll(&mut polled, 1, -1) };
        // A number that is no longer open was closed by a function, which has nobody to answer to then.
        if count > 0 && polled.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
            end();
        }
    }
}

/// Ends the worker, and with it what functions have started in its process group.
fn end() -> ! {
    // SAFETY: these calls end processes, this one last.
    unsafe {
        if libc::getpgrp() == libc::getpid() {
            libc::kill(0, libc::SIGKILL);
        }
        libc::_exit(0)
    }
}
