//! Descriptors of whatever kind.

use super::{checked, make};
use crate::runtime::Core;
use anyio_driver::{Call, CallKind, Ruling};
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

/// A close, which any thread can make.
pub(crate) struct Close {
    descriptor: OwnedFd,
    ruling: Ruling,
}

impl Close {
    /// The close of this descriptor, of which the driver is told here.
    pub(crate) fn of(descriptor: OwnedFd) -> Self {
        let call = Call::on(CallKind::Close, descriptor.as_raw_fd());
        let ruling = Core::try_with(|core| core.ruling(call)).unwrap_or(Ruling::Make);
        Self { descriptor, ruling }
    }

    /// Makes it. The number is free afterwards, whatever the result.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn make(self) -> io::Result<()> {
        // SAFETY: the descriptor was this value's, which gives it up here.
        let closed = checked(unsafe { libc::close(self.descriptor.into_raw_fd()) });
        let closed = match self.ruling {
            Ruling::Make | Ruling::MakeShorter(_) => closed.map(drop),
            Ruling::Refuse(error) | Ruling::MakeAndFail(error) => Err(io::Error::from_raw_os_error(error)),
        };
        match closed {
            // It is closed all the same.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            closed => closed,
        }
    }
}

/// Another descriptor for the same, closed on exec.
///
/// # Errors
/// If there are no descriptors left.
pub(crate) fn duplicate(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    let descriptor = descriptor.as_fd();
    make(Call::on(CallKind::Duplicate, descriptor.as_raw_fd()), || descriptor.try_clone_to_owned())
}

/// The kind of what is open, as `st_mode` has it.
///
/// # Errors
/// What the system says.
pub(crate) fn examine(descriptor: BorrowedFd<'_>) -> io::Result<libc::mode_t> {
    let fd = descriptor.as_raw_fd();
    make(Call::on(CallKind::Examine, fd), || {
        let mut status = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the status has room for what is written to it.
        checked(unsafe { libc::fstat(fd, status.as_mut_ptr()) })?;
        // SAFETY: the call has filled it.
        Ok(unsafe { status.assume_init() }.st_mode)
    })
}

/// The number of the file system on which a file lies.
///
/// # Errors
/// What the system says.
#[cfg(target_os = "linux")]
pub(crate) fn file_system(file: BorrowedFd<'_>) -> io::Result<u32> {
    let fd = file.as_raw_fd();
    make(Call::on(CallKind::Examine, fd), || {
        let mut status = MaybeUninit::<libc::statfs>::zeroed();
        // SAFETY: the status has room for what is written to it.
        checked(unsafe { libc::fstatfs(fd, status.as_mut_ptr()) })?;
        // SAFETY: the call has filled it, or left zeroes.
        Ok(unsafe { status.assume_init() }.f_type as u32)
    })
}

/// The mode of what is open: its `O_…` flags.
///
/// # Errors
/// What the system says.
pub(crate) fn mode(descriptor: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    let fd = descriptor.as_raw_fd();
    // SAFETY: takes numbers only.
    make(Call::on(CallKind::GetMode, fd), || checked(unsafe { libc::fcntl(fd, libc::F_GETFL) }))
}

/// Sets the mode of what is open.
///
/// # Errors
/// What the system says.
pub(crate) fn set_mode(descriptor: BorrowedFd<'_>, mode: libc::c_int) -> io::Result<()> {
    let fd = descriptor.as_raw_fd();
    // SAFETY: takes numbers only.
    let set = || checked(unsafe { libc::fcntl(fd, libc::F_SETFL, mode) });
    make(Call::on(CallKind::SetMode, fd), set).map(drop)
}

/// Where the system's cursor stands in a file.
///
/// # Errors
/// `ESPIPE` for what has no positions.
pub(crate) fn where_cursor_is(fd: RawFd) -> io::Result<u64> {
    make(Call::on(CallKind::Seek, fd), || {
        // SAFETY: takes numbers only. To be told the position waits for nothing.
        let position = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
        u64::try_from(position).map_err(|_| io::Error::last_os_error())
    })
}

/// Puts the system's cursor there. What has positions takes each that the file can have.
pub(crate) fn move_cursor(fd: RawFd, position: u64) {
    let moved = make(Call::on(CallKind::Seek, fd), || {
        // SAFETY: takes numbers only.
        match unsafe { libc::lseek(fd, position as libc::off_t, libc::SEEK_SET) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    });
    if let Err(error) = moved {
        log::debug!("the cursor of descriptor {fd} cannot be put at {position}: {error}");
    }
}

/// A pipe whose ends no child inherits: the one to read from and the one to write to.
///
/// # Errors
/// If there are no descriptors left.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    make(Call::new(CallKind::MakePipe), || {
        let mut ends = [-1; 2];
        open_pipe(&mut ends)?;
        // SAFETY: the call has just made them.
        let ends = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        #[cfg(target_vendor = "apple")]
        for end in [&ends.0, &ends.1] {
            // SAFETY: the descriptor is open.
            checked(unsafe { libc::ioctl(end.as_raw_fd(), libc::FIOCLEX) })?;
        }
        Ok(ends)
    })
}

#[cfg(not(target_vendor = "apple"))]
fn open_pipe(ends: &mut [RawFd; 2]) -> io::Result<libc::c_int> {
    // SAFETY: there is room for two descriptors.
    checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })
}

/// There is no `pipe2` here.
#[cfg(target_vendor = "apple")]
fn open_pipe(ends: &mut [RawFd; 2]) -> io::Result<libc::c_int> {
    // SAFETY: there is room for two descriptors.
    checked(unsafe { libc::pipe(ends.as_mut_ptr()) })
}

/// A descriptor that stands for a process, which is an unreaped child of this one.
///
/// # Errors
/// If there are no descriptors left.
#[cfg(target_os = "linux")]
pub(crate) fn open_process(process: libc::pid_t) -> io::Result<OwnedFd> {
    make(Call::new(CallKind::OpenProcess), || {
        // SAFETY: takes numbers only.
        let number = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
        let number = checked(number as libc::c_int)?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    })
}
