//! What drivers are asked to do.

use libc::{c_char, c_int, iovec, mode_t, msghdr, sockaddr, socklen_t};
use std::os::fd::RawFd;

/// The raw file status that [`Op::Status`] fills: `statx` on Linux, `stat` elsewhere.
#[cfg(target_os = "linux")]
pub type FileStatus = libc::statx;
/// The raw file status that [`Op::Status`] fills: `statx` on Linux, `stat` elsewhere.
#[cfg(not(target_os = "linux"))]
pub type FileStatus = libc::stat;

/// Declares [`Op`], its [`OpKind`] and the names of both from one list.
macro_rules! operations {
    ($($(#[$doc:meta])* $kind:ident $name:literal { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? })*) => {
        /// One operation: what to do with raw descriptors and raw memory.
        ///
        /// A value of this type promises nothing by itself; handing it to
        /// [`Driver::submit`](crate::Driver::submit) does. Unless said otherwise the completion's result is that
        /// of the system call of the same name: a count, a descriptor or 0.
        #[derive(Debug, Clone, Copy)]
        pub enum Op {
            $($(#[$doc])* $kind { $($(#[$field_doc])* $field: $type),* },)*
        }

        /// The kind of an [`Op`], without its arguments.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum OpKind {
            $($(#[$doc])* $kind,)*
        }

        impl OpKind {
            /// All kinds there are.
            pub const ALL: &[OpKind] = &[$(OpKind::$kind),*];

            /// The operation's name, as people know it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Whether it is one on files and paths which no readiness tells of, so that only a thread can do it where the
            /// kernel does not. Reads and writes are not among them, as what they are done to may be anything.
            pub const fn is_on_files(self) -> bool {
                matches!(
                    self,
                    Self::Open
                        | Self::Synchronize
                        | Self::Status
                        | Self::Truncate
                        | Self::Allocate
                        | Self::Advise
                        | Self::Unlink
                        | Self::Rename
                        | Self::MakeDirectory
                        | Self::Link
                        | Self::SymbolicLink
                )
            }
        }

        impl Op {
            /// Which kind of operation this is.
            #[inline]
            pub const fn kind(&self) -> OpKind {
                match self { $(Self::$kind { .. } => OpKind::$kind,)* }
            }
        }
    };
}

impl Op {
    /// The descriptor that it works on: one at most, since whoever closes it has to find all operations that use it. Those on
    /// paths work on none.
    #[inline]
    pub const fn descriptor(&self) -> Option<RawFd> {
        match *self {
            Self::Receive { fd, .. }
            | Self::ReceivePooled { fd }
            | Self::ReceiveMultishot { fd }
            | Self::Send { fd, .. }
            | Self::ReceiveMessage { fd, .. }
            | Self::ReceiveMessages { fd, .. }
            | Self::SendMessage { fd, .. }
            | Self::Accept { fd }
            | Self::Connect { fd, .. }
            | Self::Shutdown { fd, .. }
            | Self::Poll { fd, .. }
            | Self::Read { fd, .. }
            | Self::Write { fd, .. }
            | Self::ReadVectored { fd, .. }
            | Self::WriteVectored { fd, .. }
            | Self::Synchronize { fd, .. }
            | Self::Truncate { fd, .. }
            | Self::Allocate { fd, .. }
            | Self::Advise { fd, .. }
            | Self::Status { directory: fd, .. } => Some(fd),
            Self::Nop {}
            | Self::Open { .. }
            | Self::Unlink { .. }
            | Self::Rename { .. }
            | Self::MakeDirectory { .. }
            | Self::Link { .. }
            | Self::SymbolicLink { .. }
            | Self::WaitProcess { .. } => None,
        }
    }
}

operations! {
    /// Does nothing and completes with 0.
    Nop "nop" {}
    /// Receives into the caller's memory.
    Receive "receive" {
        /// The socket.
        fd: RawFd,
        /// Where the bytes go.
        pointer: *mut u8,
        /// How many there is room for.
        length: u32,
        /// `MSG_…` flags of `recv(2)`.
        flags: c_int,
    }
    /// Receives once into a buffer of the driver's pool, named by the completion.
    ReceivePooled "receive" {
        /// The socket.
        fd: RawFd,
    }
    /// Receives into buffers of the driver's pool, again and again until cancelled, an error, the end of the
    /// stream (result 0) or a lack of buffers (`ENOBUFS`).
    ReceiveMultishot "receive" {
        /// The socket.
        fd: RawFd,
    }
    /// Sends from the caller's memory; may send less than was asked for.
    Send "send" {
        /// The socket.
        fd: RawFd,
        /// Where the bytes are.
        pointer: *const u8,
        /// How many there are.
        length: u32,
        /// `MSG_…` flags of `send(2)`. Drivers add `MSG_NOSIGNAL`.
        flags: c_int,
    }
    /// Receives a message with address and ancillary data.
    ReceiveMessage "recvmsg" {
        /// The socket.
        fd: RawFd,
        /// The message to fill; it and all it points to belong to the operation.
        message: *mut msghdr,
        /// `MSG_…` flags of `recvmsg(2)`. Drivers add `MSG_CMSG_CLOEXEC` where it exists.
        flags: c_int,
    }
    /// Receives messages into buffers of [`Driver::message_pool`](crate::Driver::message_pool), each with address and
    /// ancillary data, as [`MessageLayout`](crate::MessageLayout) says; the result is how many bytes of the buffer
    /// count. Goes on until cancelled, an error, a lack of buffers (`ENOBUFS`), or for as long as the driver sees fit:
    /// its last completion may carry a message, too.
    ReceiveMessages "recvmsg" {
        /// The socket.
        fd: RawFd,
        /// How much room to leave for address and ancillary data: only these two lengths are looked at. It belongs to
        /// the operation.
        message: *const msghdr,
    }
    /// Sends a message with address and ancillary data.
    ///
    /// A datagram is to be sent with `MSG_DONTWAIT`. Linux's ring repeats what has found no room with what is left of the
    /// data, and a UNIX socket takes that all before it looks for room: then an empty datagram is sent.
    SendMessage "sendmsg" {
        /// The socket.
        fd: RawFd,
        /// The message; it and all it points to belong to the operation.
        message: *const msghdr,
        /// `MSG_…` flags of `sendmsg(2)`. Drivers add `MSG_NOSIGNAL`.
        flags: c_int,
    }
    /// Accepts one connection; the result is its descriptor, in blocking mode and closed on exec.
    Accept "accept" {
        /// The listening socket.
        fd: RawFd,
    }
    /// Connects a socket. A cancelled connect leaves a socket of no further use.
    Connect "connect" {
        /// The socket.
        fd: RawFd,
        /// The address.
        address: *const sockaddr,
        /// Its length in bytes.
        length: socklen_t,
    }
    /// Shuts down one or both directions of a socket.
    Shutdown "shutdown" {
        /// The socket.
        fd: RawFd,
        /// `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
        how: c_int,
    }
    /// Waits until a descriptor is ready; the result is the `POLL…` events that are.
    Poll "poll" {
        /// The descriptor.
        fd: RawFd,
        /// The `POLL…` events to wait for.
        events: u32,
    }
    /// Reads into the caller's memory.
    Read "read" {
        /// The file, pipe or device.
        fd: RawFd,
        /// Where the bytes go.
        pointer: *mut u8,
        /// How many there is room for.
        length: u32,
        /// Where in the file, or `None` for its cursor (and for what has no positions).
        offset: Option<u64>,
    }
    /// Writes from the caller's memory; may write less than was asked for.
    Write "write" {
        /// The file, pipe or device.
        fd: RawFd,
        /// Where the bytes are.
        pointer: *const u8,
        /// How many there are.
        length: u32,
        /// Where in the file, or `None` for its cursor (and for what has no positions).
        offset: Option<u64>,
    }
    /// Reads into several pieces of memory.
    ReadVectored "readv" {
        /// The file, pipe or device.
        fd: RawFd,
        /// The pieces; the array belongs to the operation like what it points to.
        pieces: *const iovec,
        /// How many pieces.
        count: u32,
        /// Where in the file, or `None` for its cursor.
        offset: Option<u64>,
    }
    /// Writes from several pieces of memory.
    WriteVectored "writev" {
        /// The file, pipe or device.
        fd: RawFd,
        /// The pieces; the array belongs to the operation like what it points to.
        pieces: *const iovec,
        /// How many pieces.
        count: u32,
        /// Where in the file, or `None` for its cursor.
        offset: Option<u64>,
    }
    /// Opens a file; the result is its descriptor. Drivers add `O_CLOEXEC`.
    ///
    /// Whether the opening of a named pipe waits for who opens the other end is the driver's choice. Where it does not
    /// wait, the answer is that of an opening with `O_NONBLOCK`: a reader's descriptor, and `ENXIO` for a writer without
    /// a reader. Either way the descriptor is in the mode that was asked for.
    Open "open" {
        /// The folder from which a relative path counts, or `AT_FDCWD`.
        directory: RawFd,
        /// The path, ending in a zero byte.
        path: *const c_char,
        /// `O_…` flags.
        flags: c_int,
        /// The permissions of a file that is created.
        mode: mode_t,
    }
    /// Waits until what was written to a file is on its device.
    Synchronize "fsync" {
        /// The file.
        fd: RawFd,
        /// Without metadata that reading does not need (`fdatasync`).
        data_only: bool,
    }
    /// Fetches a file's status.
    Status "stat" {
        /// The folder from which a relative path counts, `AT_FDCWD`, or with `AT_EMPTY_PATH` the file itself.
        directory: RawFd,
        /// The path, ending in a zero byte.
        path: *const c_char,
        /// `AT_…` flags.
        flags: c_int,
        /// What to fill.
        status: *mut FileStatus,
    }
    /// Sets a file's length.
    Truncate "ftruncate" {
        /// The file.
        fd: RawFd,
        /// Its new length in bytes.
        length: u64,
    }
    /// Reserves room for a part of a file.
    Allocate "fallocate" {
        /// The file.
        fd: RawFd,
        /// `FALLOC_FL_…` flags.
        mode: c_int,
        /// Where the part begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    }
    /// Tells how a part of a file will be used.
    Advise "fadvise" {
        /// The file.
        fd: RawFd,
        /// Where the part begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
        /// A `POSIX_FADV_…` value.
        advice: c_int,
    }
    /// Removes a name from a folder.
    Unlink "unlink" {
        /// The folder from which a relative path counts, or `AT_FDCWD`.
        directory: RawFd,
        /// The path, ending in a zero byte.
        path: *const c_char,
        /// `AT_REMOVEDIR`, or 0 for what is not a folder.
        flags: c_int,
    }
    /// Renames a file or folder.
    Rename "rename" {
        /// The folder from which a relative old path counts, or `AT_FDCWD`.
        from_directory: RawFd,
        /// The old path, ending in a zero byte.
        from: *const c_char,
        /// The folder from which a relative new path counts, or `AT_FDCWD`.
        to_directory: RawFd,
        /// The new path, ending in a zero byte.
        to: *const c_char,
        /// `RENAME_…` flags of `renameat2(2)`; only 0 works everywhere.
        flags: u32,
    }
    /// Makes a folder.
    MakeDirectory "mkdir" {
        /// The folder from which a relative path counts, or `AT_FDCWD`.
        directory: RawFd,
        /// The path, ending in a zero byte.
        path: *const c_char,
        /// Its permissions.
        mode: mode_t,
    }
    /// Makes another name for a file.
    Link "link" {
        /// The folder from which a relative old path counts, or `AT_FDCWD`.
        from_directory: RawFd,
        /// The old path, ending in a zero byte.
        from: *const c_char,
        /// The folder from which a relative new path counts, or `AT_FDCWD`.
        to_directory: RawFd,
        /// The new path, ending in a zero byte.
        to: *const c_char,
        /// `AT_…` flags.
        flags: c_int,
    }
    /// Makes a symbolic link.
    SymbolicLink "symlink" {
        /// What the link says, ending in a zero byte.
        target: *const c_char,
        /// The folder from which a relative path counts, or `AT_FDCWD`.
        directory: RawFd,
        /// The link's path, ending in a zero byte.
        path: *const c_char,
    }
    /// Waits for a child process to end and fills `info`; leaves it to be waited for again if `options` has
    /// `WNOWAIT`.
    WaitProcess "waitid" {
        /// The process.
        pid: libc::pid_t,
        /// What to fill.
        info: *mut libc::siginfo_t,
        /// `WEXITED` and its like.
        options: c_int,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_fits_into_a_cache_line() {
        assert!(size_of::<Op>() <= 64, "{}", size_of::<Op>());
    }

    #[test]
    fn kinds_are_listed_once_and_named() {
        for (number, kind) in OpKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number);
            assert!(!kind.name().is_empty());
        }
        assert_eq!(Op::Nop {}.kind(), OpKind::Nop);
    }
}
