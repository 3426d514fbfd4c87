//! What the runtime asks the system by itself, because it does not wait.

use std::os::fd::RawFd;

/// Declares [`CallKind`] and its names from one list.
macro_rules! calls {
    ($($(#[$doc:meta])* $kind:ident $name:literal)*) => {
        /// The kind of a [`Call`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum CallKind {
            $($(#[$doc])* $kind,)*
        }

        impl CallKind {
            /// All kinds there are.
            pub const ALL: &[CallKind] = &[$(CallKind::$kind),*];

            /// The call's name, as people know it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

calls! {
    /// Receives what has come.
    ReceiveNow "recv at once"
    /// Sends what there is room for.
    SendNow "send at once"
    /// Sends a datagram, if there is room for it.
    SendMessageNow "sendmsg at once"
    /// Sends pages of a file that are in memory, as far as there is room.
    SendFile "sendfile"
    /// Reads of a file what is in memory.
    ReadCached "preadv2"
    /// Fetches of an open file's status what is in memory.
    StatusCached "statx"
    /// Opens the place of a path that is in memory.
    LookUp "openat2"
    /// Makes a socket.
    MakeSocket "socket"
    /// Makes two sockets that are connected with each other.
    MakePair "socketpair"
    /// Makes a pipe.
    MakePipe "pipe"
    /// Makes a descriptor that stands for a process.
    OpenProcess "pidfd_open"
    /// Makes another descriptor for what one leads to.
    Duplicate "dup"
    /// Binds a socket to an address.
    Bind "bind"
    /// Has a socket listen.
    Listen "listen"
    /// Gives a socket of datagrams its peer, or tries whether somebody listens.
    ConnectNow "connect at once"
    /// Ends one direction of a socket of which nobody waits for the end.
    ShutDownNow "shutdown at once"
    /// Asks for the address of this side.
    LocalAddress "getsockname"
    /// Asks for the address of the other side.
    PeerAddress "getpeername"
    /// Asks for an option of a socket.
    GetOption "getsockopt"
    /// Sets an option of a socket.
    SetOption "setsockopt"
    /// Asks for the mode of what is open.
    GetMode "fcntl(F_GETFL)"
    /// Sets the mode of what is open.
    SetMode "fcntl(F_SETFL)"
    /// Asks for the system's cursor in a file, or moves it.
    Seek "lseek"
    /// Asks of what kind an open file is, and its file system.
    Examine "fstat"
    /// Closes a descriptor of which somebody awaits that. It is closed also if the call fails.
    Close "close"
    /// Whatever a worker thread does with paths. It may wait, but there.
    OnPath "a call on a path"
    /// Whatever a worker thread does with an open file that no operation does.
    OnFile "a call on a file"
}

/// A call of the system beside the driver: what is done at once, so that no operation is needed for it.
///
/// As [`Op`](crate::Op) says what may wait. It is told to [`Driver::before_call`](crate::Driver::before_call).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Its kind.
    pub kind: CallKind,
    /// The descriptor on which it is done, if it is one.
    pub fd: Option<RawFd>,
    /// How many bytes it is to transfer at most, where that may be fewer.
    pub length: Option<usize>,
    /// Where in the file that is, if it says so.
    pub offset: Option<u64>,
}

impl Call {
    /// One that is done on no descriptor yet.
    #[inline]
    pub const fn new(kind: CallKind) -> Self {
        Self { kind, fd: None, length: None, offset: None }
    }

    /// One on a descriptor.
    #[inline]
    pub const fn on(kind: CallKind, fd: RawFd) -> Self {
        Self { kind, fd: Some(fd), length: None, offset: None }
    }

    /// The same, of so many bytes or fewer.
    #[inline]
    #[must_use]
    pub const fn of_length(self, length: usize) -> Self {
        Self { length: Some(length), ..self }
    }

    /// The same, from there on in the file.
    #[inline]
    #[must_use]
    pub const fn at(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }
}

/// What is to become of a [`Call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It is made.
    Make,
    /// It is made for so many bytes, which are fewer than it was for, and not 0. Only for a call that has a length.
    MakeShorter(usize),
    /// It is not made, and fails with this error of the operating system.
    Refuse(i32),
    /// It is made, and then fails with this error all the same.
    MakeAndFail(i32),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpKind;

    #[test]
    fn kinds_are_listed_once_and_have_names_of_their_own() {
        for (number, kind) in CallKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number);
            assert!(!kind.name().is_empty());
            let same = OpKind::ALL.iter().filter(|op| format!("{op:?}") == format!("{kind:?}"));
            assert_eq!(same.count(), 0, "{kind:?} is an operation, too");
        }
    }
}
