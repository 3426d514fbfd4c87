//! What is known about descriptors, by number.

use crate::{host, operations::List, system::uninterrupted};
use std::{mem::MaybeUninit, os::fd::RawFd};

/// What kind of thing a descriptor is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Class {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// A TCP socket: a receive that does not fill its buffer has drained it.
    Tcp,
    /// Another stream of bytes, where a short receive may stand at a boundary.
    Stream,
    /// Any other socket.
    Socket,
    /// A pipe, an event counter and the like: ready or not.
    Pipe,
    /// A character device such as a terminal, often shared with other processes, whose mode is left alone.
    Device,
    /// A file, folder or disk: always "ready", and may block all the same.
    File,
}

impl Class {
    pub(crate) fn is_socket(self) -> bool {
        matches!(self, Self::Tcp | Self::Stream | Self::Socket)
    }
}

/// What is known about one descriptor.
pub(crate) struct Descriptor {
    pub(crate) class: Class,
    pub(crate) registered: bool,
    /// Calls on it cannot be told not to wait.
    pub(crate) only_by_mode: bool,
    /// May have something to read: the next attempt is worth its while.
    pub(crate) readable: bool,
    /// May have room to write.
    pub(crate) writable: bool,
    /// The peer sends no more.
    pub(crate) ended: bool,
    /// Urgent data has been seen, at which receives stop short.
    pub(crate) urgent: bool,
    /// How many messages the next receive of several asks for.
    pub(crate) expected: u8,
    pub(crate) readers: List,
    pub(crate) writers: List,
    pub(crate) watchers: List,
}

impl Default for Descriptor {
    fn default() -> Self {
        Self {
            class: Class::Unknown,
            registered: false,
            only_by_mode: false,
            readable: true,
            writable: true,
            ended: false,
            urgent: false,
            expected: 2,
            readers: List::default(),
            writers: List::default(),
            watchers: List::default(),
        }
    }
}

impl Descriptor {
    /// Finds out what the descriptor is, once.
    pub(crate) fn classify(&mut self, fd: RawFd) -> Result<Class, i32> {
        if self.class == Class::Unknown {
            self.class = class_of(fd)?;
        }
        Ok(self.class)
    }
}

fn class_of(fd: RawFd) -> Result<Class, i32> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the status is written by the call, to memory that is large enough.
    let result = uninterrupted(|| unsafe { libc::fstat(fd, status.as_mut_ptr()) });
    if result < 0 {
        return Err(result);
    }
    // SAFETY: all zeroes is a valid status, and the call has filled it.
    let mode = unsafe { status.assume_init() }.st_mode;
    Ok(match mode & libc::S_IFMT {
        libc::S_IFSOCK => {
            host::silence(fd);
            class_of_socket(fd)
        }
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => Class::File,
        libc::S_IFCHR => Class::Device,
        _ => Class::Pipe,
    })
}

fn class_of_socket(fd: RawFd) -> Class {
    let mut kind: libc::c_int = 0;
    let mut length = size_of_val(&kind) as libc::socklen_t;
    // SAFETY: the option's value is an int, and the length says so.
    let known =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &mut length) };
    if known < 0 || kind != libc::SOCK_STREAM {
        return Class::Socket;
    }
    // SAFETY: all zeroes is a valid address of no family.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: there is room for an address of any family, and the length says how much.
    let known = unsafe { libc::getsockname(fd, (&raw mut address).cast(), &mut length) };
    let family = libc::c_int::from(address.ss_family);
    if known == 0 && (family == libc::AF_INET || family == libc::AF_INET6) {
        Class::Tcp
    } else {
        Class::Stream
    }
}

/// All descriptors that have been seen.
#[derive(Default)]
pub(crate) struct Descriptors(Vec<Descriptor>);

impl Descriptors {
    /// What is known about a descriptor; `None` for what is no open descriptor and was none.
    #[inline]
    pub(crate) fn get(&mut self, fd: RawFd) -> Option<&mut Descriptor> {
        let index = usize::try_from(fd).ok()?;
        if index >= self.0.len() {
            // Room is made for numbers of open descriptors only, however large a number may be.
            // SAFETY: only asks for the descriptor's flags.
            if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
                return None;
            }
            self.make_room(index);
        }
        self.0.get_mut(index)
    }

    /// Sets what is known about a descriptor that has just been made.
    pub(crate) fn begin(&mut self, fd: RawFd, descriptor: Descriptor) {
        let Ok(index) = usize::try_from(fd) else { return };
        if index >= self.0.len() {
            self.make_room(index);
        }
        self.0[index] = descriptor;
    }

    #[cold]
    fn make_room(&mut self, index: usize) {
        self.0.resize_with(index + 1, Descriptor::default);
    }

    /// What is known about a descriptor that has been seen before.
    #[inline]
    pub(crate) fn seen(&mut self, fd: RawFd) -> Option<&mut Descriptor> {
        self.0.get_mut(usize::try_from(fd).ok()?)
    }
}
