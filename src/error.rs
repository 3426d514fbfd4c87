//! What can go wrong.

mod cancel_aware;
mod chain;
mod connection;
mod failure;
mod group;
#[cfg(not(feature = "tls-core"))]
mod no_tls;
pub(crate) mod ok;
#[cfg(feature = "tls-core")]
mod tls;

pub(crate) use cancel_aware::{AsError, is_cancellation};
pub use cancel_aware::{CancelAware, ViaDeref, ViaError};
pub(crate) use chain::Chain;
pub(crate) use connection::concerns_one_connection;
pub use failure::Failure;
pub use group::ErrorGroup;
#[cfg(not(feature = "tls-core"))]
pub use no_tls::TlsError;
#[cfg(feature = "tls-core")]
pub use tls::{TlsError, TlsSide};

use crate::system::completed::ProcessFailed;
use std::{error::Error as StdError, fmt, io};

/// The result of what anyio does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says that an operation did not happen because its scope was cancelled.
///
/// It travels like any other error, with `?`, up to the [`CancelScope`](crate::CancelScope) that is responsible,
/// which absorbs it. Only anyio makes values of this type. It carries nothing; why a scope was cancelled is asked
/// of the scope ([`Scope::reason`](crate::Scope::reason)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled(());

impl Cancelled {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl StdError for Cancelled {}

/// Says that the time allowed by [`fail_after`](crate::fail_after) or [`fail_at`](crate::fail_at) was over. It is
/// not a cancellation: scopes further out treat it as any other error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time allowed was over")
    }
}

impl StdError for TimedOut {}

/// What can go wrong in anyio.
///
/// Converts from and to [`io::Error`] without loss, so `?` works in functions of either kind: a cancellation
/// becomes the raw error `ECANCELED` and turns back into [`Error::Cancelled`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The scope was cancelled and the operation did not happen.
    Cancelled(Cancelled),
    /// The time allowed was over.
    TimedOut,
    /// The resource was made unusable from outside: reset, broken pipe, lost link.
    BrokenResource(io::Error),
    /// Another task is doing what the text says, and only one at a time can.
    BusyResource(&'static str),
    /// This task has acquired the lock already; it would wait for itself for ever.
    AlreadyAcquired,
    /// The resource was closed on this side.
    ClosedResource,
    /// No more data will come where some was needed.
    EndOfStream,
    /// The stream ended in the midst of what was asked for.
    IncompleteRead,
    /// The delimiter did not come within so many bytes.
    DelimiterNotFound {
        /// How many bytes were looked at.
        max_bytes: usize,
    },
    /// The operation cannot be done at once and was asked not to wait.
    WouldBlock,
    /// All attempts to connect failed; one error for each address that was tried.
    ConnectionFailed(Box<ErrorGroup<io::Error>>),
    /// What was called needs a run on this thread, or a thread that works for one, and there is none.
    NoRun,
    /// The run that was to do something is over.
    RunFinished,
    /// This host or back end cannot do what the text names.
    Unsupported(&'static str),
    /// One side of a TLS connection refused the other. Only with the feature `tls`.
    Tls(Box<TlsError>),
    /// The operating system refused.
    Io(io::Error),
    /// A process did not end with success, although that was asked for.
    ProcessFailed(Box<ProcessFailed>),
    /// Several errors, out of a task group.
    Group(Box<ErrorGroup<Error>>),
}

impl Error {
    /// The operating system's error number, if the error came from there.
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Cancelled(_) => Some(libc::ECANCELED),
            Self::BrokenResource(error) | Self::Io(error) => failure::raw_os_error(error),
            _ => None,
        }
    }

    /// The kind which this error has, or would have as an [`io::Error`].
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Cancelled(_) => io::Error::from_raw_os_error(libc::ECANCELED).kind(),
            Self::TimedOut => io::ErrorKind::TimedOut,
            Self::BrokenResource(error) | Self::Io(error) => error.kind(),
            Self::BusyResource(_) => io::ErrorKind::ResourceBusy,
            Self::AlreadyAcquired => io::ErrorKind::Deadlock,
            Self::ClosedResource => io::ErrorKind::NotConnected,
            Self::EndOfStream | Self::IncompleteRead => io::ErrorKind::UnexpectedEof,
            Self::DelimiterNotFound { .. } | Self::Tls(_) => io::ErrorKind::InvalidData,
            Self::WouldBlock => io::ErrorKind::WouldBlock,
            Self::Unsupported(_) => io::ErrorKind::Unsupported,
            Self::NoRun | Self::RunFinished => io::ErrorKind::Other,
            Self::ConnectionFailed(group) => {
                group.iter().next().map_or(io::ErrorKind::Other, io::Error::kind)
            }
            Self::ProcessFailed(_) | Self::Group(_) => io::ErrorKind::Other,
        }
    }

    /// The error of a failed operation on a stream: broken if the link is gone, else what the system said.
    pub(crate) fn of_stream(error: io::Error, operation: &'static str) -> Self {
        use io::ErrorKind::*;
        let broken = matches!(
            error.kind(),
            ConnectionReset
                | ConnectionAborted
                | BrokenPipe
                | NotConnected
                | TimedOut
                | HostUnreachable
                | NetworkUnreachable
        );
        let error = Failure::new(operation, None, error).into_io();
        if broken { Self::BrokenResource(error) } else { Self::from(error) }
    }

    /// The same error, told as streams tell it if nobody is left at the other end of a pipe.
    pub(crate) fn of_lost_link(self) -> Self {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::BrokenResource(error),
            error => error,
        }
    }

    /// The error of an operation that failed on something with a name.
    pub(crate) fn of_operation(
        error: io::Error,
        operation: &'static str,
        subject: impl fmt::Display,
    ) -> Self {
        Self::from(Failure::new(operation, Some(subject.to_string()), error).into_io())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(error) => error.fmt(f),
            Self::TimedOut => TimedOut.fmt(f),
            Self::BrokenResource(error) => write!(f, "broken by the other side or the link: {error}"),
            Self::BusyResource(doing) => write!(f, "another task is already {doing}"),
            Self::AlreadyAcquired => f.write_str("this task has acquired the lock already"),
            Self::ClosedResource => f.write_str("already closed on this side"),
            Self::EndOfStream => f.write_str("end of stream"),
            Self::IncompleteRead => f.write_str("the stream ended in the midst of a read"),
            Self::DelimiterNotFound { max_bytes } => {
                write!(f, "the delimiter did not come within {max_bytes} bytes")
            }
            Self::WouldBlock => f.write_str("cannot be done without waiting"),
            Self::ConnectionFailed(group) => write!(f, "all attempts to connect failed: {group}"),
            Self::NoRun => f.write_str("no run on this thread, and none that this thread works for"),
            Self::RunFinished => f.write_str("the run is over"),
            Self::Unsupported(what) => write!(f, "{what} is not supported by this host or back end"),
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::ProcessFailed(failed) => failed.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Cancelled(cancelled) => Some(cancelled),
            Self::BrokenResource(error) | Self::Io(error) => Some(error),
            Self::ConnectionFailed(group) => group.source(),
            Self::ProcessFailed(failed) => Some(failed),
            Self::Tls(error) => Some(error),
            Self::Group(group) => group.source(),
            _ => None,
        }
    }
}

impl From<Cancelled> for Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl From<TimedOut> for Error {
    fn from(_: TimedOut) -> Self {
        Self::TimedOut
    }
}

impl From<ErrorGroup<Error>> for Error {
    /// A group that only passes a cancellation on becomes that cancellation.
    fn from(group: ErrorGroup<Error>) -> Self {
        if group.is_cancelled() { Self::Cancelled(Cancelled::new()) } else { Self::Group(Box::new(group)) }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ECANCELED) {
            return Self::Cancelled(Cancelled::new());
        }
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled(cancelled) => cancelled.into(),
            Error::Io(error) => error,
            error => io::Error::new(error.kind(), error),
        }
    }
}

impl From<Cancelled> for io::Error {
    fn from(_: Cancelled) -> Self {
        io::Error::from_raw_os_error(libc::ECANCELED)
    }
}

impl From<TimedOut> for io::Error {
    fn from(_: TimedOut) -> Self {
        Error::TimedOut.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_way_through_io_error() {
        let cases = [
            Error::Cancelled(Cancelled::new()),
            Error::TimedOut,
            Error::BrokenResource(io::ErrorKind::ConnectionReset.into()),
            Error::BusyResource("reading from this stream"),
            Error::AlreadyAcquired,
            Error::ClosedResource,
            Error::EndOfStream,
            Error::IncompleteRead,
            Error::DelimiterNotFound { max_bytes: 7 },
            Error::WouldBlock,
            Error::Unsupported("splice"),
            Error::Io(io::Error::from_raw_os_error(libc::ENOENT)),
            Error::of_operation(io::Error::from_raw_os_error(libc::ENOENT), "open", "/nowhere"),
        ];
        for error in cases {
            let (text, kind, raw) = (error.to_string(), error.kind(), error.raw_os_error());
            let back = Error::from(io::Error::from(error));
            assert_eq!((back.to_string(), back.kind(), back.raw_os_error()), (text, kind, raw));
        }
    }

    #[test]
    fn a_cancellation_is_never_the_kind_that_std_retries() {
        assert_ne!(io::Error::from(Cancelled::new()).kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn a_cancelled_operation_is_cancelled_whatever_it_was_done_on() {
        let cancelled = || io::Error::from(Cancelled::new());
        assert!(matches!(Error::of_operation(cancelled(), "connect", "there"), Error::Cancelled(_)));
        assert!(matches!(Error::of_stream(cancelled(), "send"), Error::Cancelled(_)));
    }

    #[test]
    fn a_failed_operation_says_what_failed_on_what() {
        let error = Error::of_operation(io::Error::from_raw_os_error(libc::ENOENT), "open", "/nowhere");
        assert!(error.to_string().starts_with("open /nowhere: "), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
