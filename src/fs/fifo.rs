//! Opening named pipes.
//!
//! The opening of a named pipe waits until somebody opens the other end, for as long as that takes. A thread that the system
//! keeps there cannot be called back, so drivers are asked in such a way that they do not wait, and the wait is done here: a
//! reader has its descriptor and waits for a writer, and a writer tries again and again. So it means the same on each back
//! end, can be given up, and keeps nothing else waiting.
//!
//! # Contract
//! The calls here take the numbers of descriptors that are open meanwhile, and no memory but what is said at each.

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "fifo/linux.rs"]
mod host;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "fifo/other.rs"]
mod host;

use super::{Metadata, operations};
use crate::{
    error::{Cancelled, Result},
    runtime::{Core, Descriptor, Refusal, calls},
    to_thread,
};
use host::WriterProbe;
use libc::c_int;
use socket2::Type;
use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    future::{Future, poll_fn},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
    path::Path,
    pin::pin,
    time::Duration,
};

/// How soon a pipe is looked at again: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// Whether the opening of a pipe waits with these flags.
fn may_wait(flags: c_int) -> bool {
    flags & libc::O_NONBLOCK == 0 && flags & libc::O_ACCMODE != libc::O_RDWR
}

fn reads(flags: c_int) -> bool {
    flags & libc::O_ACCMODE == libc::O_RDONLY
}

/// The flags with which no driver waits for a pipe. A ring has what may make a file done by a thread of the kernel, which
/// would wait; but nothing is to be made of a pipe that is there.
pub(super) fn without_waiting(path: &CString, flags: c_int) -> c_int {
    const MAKING: c_int = libc::O_CREAT | libc::O_TRUNC;
    let may_make = flags & MAKING != 0 && flags & libc::O_EXCL == 0;
    if may_make && may_wait(flags) && host::is_known_pipe(path) { flags & !MAKING } else { flags }
}

/// Whether an opening [without waiting](without_waiting) has not led to a pipe after all, and is to be done as it was asked for.
pub(super) fn has_vanished(answer: &Result<Descriptor, Refusal>) -> bool {
    match answer {
        Ok(descriptor) => !is_pipe(descriptor.as_fd()),
        Err(refusal) => *refusal == Refusal::System(libc::ENOENT),
    }
}

/// Whether what was answered like this, without waiting, has yet to wait for a pipe's other end.
pub(super) async fn has_to_wait(answer: &Result<Descriptor, Refusal>, path: &CString, flags: c_int) -> bool {
    match answer {
        Ok(descriptor) => may_wait(flags) && reads(flags) && is_pipe(descriptor.as_fd()),
        Err(Refusal::System(libc::ENXIO)) if may_wait(flags) && !reads(flags) => {
            match operations::of_path(path.clone(), flags & libc::O_NOFOLLOW == 0).await {
                Ok(status) => Metadata::new(status).file_type().is_fifo(),
                // So is the wait, which ends at once.
                Err(refusal) => refusal == Refusal::Cancelled,
            }
        }
        _ => false,
    }
}

/// Waits for the other end: with the reader's descriptor for a writer, without one for a reader of the pipe of this path.
///
/// # Cancel safety
/// When it is cancelled the thread has ended and the descriptor is closed, so that nobody takes it for a reader.
pub(super) async fn wait(
    reader: Option<Descriptor>,
    path: &Path,
    flags: c_int,
) -> Result<io::Result<Descriptor>> {
    let reader = match reader.map(Descriptor::into_owned) {
        // It has just been opened, so nothing else is done with it.
        Some(Err(shared)) => return Ok(Ok(shared)),
        reader => reader.and_then(Result::ok),
    };
    let path = path.to_owned();
    let (mut wanted, given_up) = match calls::pair(Type::STREAM) {
        Ok((wanted, given_up)) => (Some(wanted), GivenUp(given_up.into())),
        Err(error) => return Ok(Err(error)),
    };
    let mut thread = pin!(to_thread::for_waiting(move || match reader {
        Some(reader) => for_writer(reader, &given_up),
        None => for_reader(&path, flags, &given_up),
    }));
    let opened = poll_fn(|cx| {
        if Core::with(Core::scope_is_effective) {
            wanted = None;
        }
        thread.as_mut().poll(cx)
    });
    match opened.await? {
        Ok(Some(descriptor)) => Ok(Ok(Descriptor::new(descriptor))),
        Ok(None) => Err(Cancelled::new().into()),
        Err(error) => Ok(Err(error)),
    }
}

/// Where a thread that waits learns that nobody wants to know any more: then the other end is closed.
struct GivenUp(UnixStream);

/// What a thread has seen while it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// The pipe has something to read, or who wrote has gone.
    News,
    GivenUp,
}

impl GivenUp {
    /// Waits for news of a reader's pipe, if there is one, but no longer than so long.
    fn pause(&self, reader: Option<BorrowedFd<'_>>, limit: Duration) -> io::Result<Seen> {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // A negative number is passed over.
        let mut polled = [entry(self.0.as_raw_fd()), entry(reader.map_or(-1, |reader| reader.as_raw_fd()))];
        // SAFETY: see the contract; the call gets as many structures as is said.
        match unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as _, limit.as_millis() as c_int) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(Seen::Nothing),
                error => Err(error),
            },
            _ if polled[0].revents != 0 => Ok(Seen::GivenUp),
            _ if polled[1].revents != 0 => Ok(Seen::News),
            _ => Ok(Seen::Nothing),
        }
    }
}

/// The pauses between one look and the next.
fn pauses() -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(SHORTEST_PAUSE), |pause| Some((2 * *pause).min(LONGEST_PAUSE)))
}

/// Blocks until a pipe has, or has had, a writer. Nothing if it was given up.
fn for_writer(reader: OwnedFd, given_up: &GivenUp) -> io::Result<Option<OwnedFd>> {
    let probe = WriterProbe::new()?;
    for pause in pauses() {
        if probe.finds_writer(reader.as_fd()) {
            break;
        }
        match given_up.pause(Some(reader.as_fd()), pause)? {
            Seen::Nothing => {}
            Seen::News => break,
            Seen::GivenUp => return Ok(None),
        }
    }
    Ok(Some(reader))
}

/// Blocks until a pipe has a reader, and opens it for writing. Nothing if it was given up.
fn for_reader(path: &Path, flags: c_int, given_up: &GivenUp) -> io::Result<Option<OwnedFd>> {
    let kept = flags & !(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC);
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(kept | libc::O_NONBLOCK);
    for pause in pauses() {
        match options.open(path) {
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {}
            Ok(file) if !is_pipe(file.as_fd()) => break,
            opened => return Ok(Some(block(opened?)?.into())),
        }
        if given_up.pause(None, pause)? == Seen::GivenUp {
            return Ok(None);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "the pipe was removed while it was waited for"))
}

/// Puts what was just opened into blocking mode.
pub(super) fn block(file: File) -> io::Result<File> {
    let mode = calls::mode(file.as_fd())?;
    calls::set_mode(file.as_fd(), mode & !libc::O_NONBLOCK)?;
    Ok(file)
}

fn is_pipe(descriptor: BorrowedFd<'_>) -> bool {
    // Costs next to nothing, and is all there is for files.
    let position = calls::where_cursor_is(descriptor.as_raw_fd());
    position.is_err_and(|error| error.raw_os_error() == Some(libc::ESPIPE))
        && calls::examine(descriptor).is_ok_and(|mode| mode & libc::S_IFMT == libc::S_IFIFO)
}
