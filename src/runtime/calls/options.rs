//! Options of sockets.

use super::{checked, make};
use anyio_driver::{Call, CallKind};
use libc::c_int;
use socket2::SockRef;
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// A socket for users to ask and set what they like: what they do is theirs.
pub(crate) fn options_for_users(socket: &impl AsFd) -> SockRef<'_> {
    SockRef::from(socket)
}

/// The options of a socket, for the library itself.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a>(BorrowedFd<'a>);

impl<'a> Options<'a> {
    pub(crate) fn of(socket: &'a impl AsFd) -> Self {
        Self(socket.as_fd())
    }

    /// Asks for an option.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn get<T>(self, get: impl FnOnce(SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        make(Call::on(CallKind::GetOption, self.0.as_raw_fd()), || get(SockRef::from(&self.0)))
    }

    /// Sets an option.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn set(self, set: impl FnOnce(SockRef<'_>) -> io::Result<()>) -> io::Result<()> {
        make(Call::on(CallKind::SetOption, self.0.as_raw_fd()), || set(SockRef::from(&self.0)))
    }
}

/// Sets an option by its numbers.
///
/// # Errors
/// What the system says.
pub(crate) fn set_option<T>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let (fd, length) = (socket.as_raw_fd(), size_of::<T>() as libc::socklen_t);
    make(Call::on(CallKind::SetOption, fd), || {
        // SAFETY: the value is as long as the length says.
        checked(unsafe { libc::setsockopt(fd, level, name, std::ptr::from_ref(value).cast(), length) })
            .map(drop)
    })
}

/// Asks for an option by its numbers.
///
/// # Errors
/// What the system says.
///
/// # Safety
/// Zeroes are such a value, and so is whatever the system writes over them.
pub(crate) unsafe fn get_option<T: Copy>(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<T> {
    let fd = socket.as_raw_fd();
    make(Call::on(CallKind::GetOption, fd), || {
        let mut value = MaybeUninit::<T>::zeroed();
        let mut length = size_of::<T>() as libc::socklen_t;
        // SAFETY: there is as much room as the length says.
        checked(unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut length) })?;
        // SAFETY: the caller's promise.
        Ok(unsafe { value.assume_init() })
    })
}
