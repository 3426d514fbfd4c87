//! The seam for calls of the system that do not wait and are made beside the driver.
//!
//! All that is done to descriptors without an operation goes through here, so that a driver which wants to rule over it
//! ([`Driver::before_call`]) hears of it: one that lies, or one that simulates. Any other driver is not asked, which costs a
//! look at one flag. `ci/arrows` refuses such calls elsewhere; the few places that are exempt are listed there with the reason.
//!
//! # Contract
//! Descriptors are borrowed for each call, and those that a call gives are new and nobody else's. The kernel reads and writes
//! during the call only, and as much memory as the arguments say.

mod files;
mod options;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pages;
mod sockets;
#[cfg(target_os = "linux")]
mod status;
mod transfers;

pub(crate) use files::{Close, duplicate, examine, mode, move_cursor, pipe, set_mode, where_cursor_is};
#[cfg(target_os = "linux")]
pub(crate) use files::{file_system, open_process};
pub(crate) use options::{Options, get_option, options_for_users, set_option};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use pages::{is_in_memory_itself, read_cached, send_file};
pub(crate) use sockets::{
    bind, connect, listen, local_address, make_socket, pair, peer_address, set_blocking, shut_down,
};
#[cfg(target_os = "linux")]
pub(crate) use status::{cached_status, look_up};
pub(crate) use transfers::{AT_ONCE, receive, send, send_buffers, send_message, send_messages};

use super::Core;
use anyio_driver::{Call, CallKind, Driver, Ruling};
use std::io;

impl Core {
    /// What is to become of a call.
    #[inline]
    fn ruling(&self, call: Call) -> Ruling {
        if self.capabilities().rules_calls { self.ask_driver(&call) } else { Ruling::Make }
    }

    #[cold]
    fn ask_driver(&self, call: &Call) -> Ruling {
        // In use further up on the stack it makes calls of its own.
        self.try_driver_mut().map_or(Ruling::Make, |mut driver| driver.before_call(call))
    }
}

/// Makes a call, unless the driver of this thread's run rules otherwise.
#[inline]
fn make<T>(call: Call, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match Core::try_with(|core| core.ruling(call)).unwrap_or(Ruling::Make) {
        Ruling::Make | Ruling::MakeShorter(_) => make(),
        ruling => obey(ruling, make),
    }
}

#[cold]
fn obey<T>(ruling: Ruling, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match ruling {
        Ruling::Make | Ruling::MakeShorter(_) => make(),
        Ruling::Refuse(error) => Err(io::Error::from_raw_os_error(error)),
        Ruling::MakeAndFail(error) => {
            make()?;
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// The same for a call that a worker thread makes: asked here, and made there.
///
/// # Errors
/// What the driver rules.
pub(crate) fn before_thread(kind: CallKind) -> io::Result<()> {
    make(Call::new(kind), || Ok(()))
}

/// Makes a call that transfers up to `length` bytes and gives how many, or -1. An error is the system's number.
#[inline]
fn transfer(core: &Core, call: Call, length: usize, make: impl FnOnce(usize) -> isize) -> Result<usize, i32> {
    let length = match core.ruling(call.of_length(length)) {
        Ruling::Make => length,
        Ruling::MakeShorter(shorter) => shorter.min(length),
        Ruling::Refuse(error) | Ruling::MakeAndFail(error) => return Err(error),
    };
    usize::try_from(make(length)).map_err(|_| last_error())
}

#[cold]
fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// What a call has come to that gives -1 for an error.
#[inline]
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
