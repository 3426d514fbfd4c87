//! What can go wrong.

mod cancel_aware;
mod cancel_reason;
mod chain;
mod connection;
mod connection_failed;
mod failure;
mod group;
mod inside;
#[cfg(not(feature = "tls-core"))]
mod no_tls;
pub(crate) mod ok;
mod quoted;
mod stopping;
mod timed_out;
#[cfg(feature = "tls-core")]
mod tls;

pub(crate) use cancel_aware::{AsError, stage_of};
pub use cancel_aware::{CancelAware, ViaDeref, ViaError};
pub(crate) use cancel_reason::note_that_of_run;
pub use cancel_reason::{CancelReason, ReasonKind};
pub(crate) use chain::Chain;
pub(crate) use connection::concerns_one_connection;
pub use connection_failed::ConnectionFailed;
pub use failure::Failure;
pub use group::ErrorGroup;
pub(crate) use inside::is_looked_into;
#[cfg(not(feature = "tls-core"))]
#[expect(unreachable_pub, reason = "the type of a public variant that has no values then")]
pub use no_tls::TlsError;
pub(crate) use quoted::Quoted;
pub(crate) use stopping::Stopping;
pub use timed_out::TimedOut;
#[cfg(feature = "tls-core")]
pub use tls::{TlsError, TlsSide};

use crate::system::{broken_worker::BrokenWorkerProcess, completed::ProcessFailed};
use std::{error::Error as StdError, fmt, io};

/// The result of what anyio does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says that an operation did not happen because its scope was cancelled.
///
/// It travels like any other error, with `?`, up to the [`CancelScope`](crate::CancelScope) that is responsible,
/// which absorbs it. Only anyio makes values of this type. It carries nothing, so that it costs nothing on its way: who has
/// cancelled, why and where is asked for where it is caught, by [`current_cancel_reason`](crate::current_cancel_reason()), or of
/// the scope ([`Scope::reason`](crate::Scope::reason)).
///
/// Where a run as a whole was cancelled, and is over, the text says why: `cancelled: interrupted`. (That is so on its thread, until
/// the next run begins there.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cancelled(());

impl Cancelled {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")?;
        cancel_reason::with_that_of_run(|reason| match reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        })
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")?;
        cancel_reason::with_that_of_run(|reason| match reason {
            Some(reason) => write!(f, "({reason})"),
            None => Ok(()),
        })
    }
}

impl StdError for Cancelled {}

/// What can go wrong in anyio.
///
/// Converts from and to [`io::Error`] without loss, so `?` works in functions of either kind: a cancellation
/// becomes the raw error `ECANCELED` and turns back into [`Error::Cancelled`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The scope was cancelled and the operation did not happen.
    Cancelled(Cancelled),
    /// The scope was told to [finish](crate::Scope::finish), and this would have been the beginning of something new. It travels
    /// as a cancellation does, up to the scope that was told.
    Finishing,
    /// The time allowed was over.
    TimedOut(TimedOut),
    /// The resource was made unusable from outside: reset, broken pipe, lost link.
    BrokenResource(io::Error),
    /// Another task is doing what the text says, and only one at a time can.
    BusyResource(&'static str),
    /// This task has acquired the lock already; it would wait for itself for ever.
    AlreadyAcquired,
    /// The resource was closed on this side.
    ClosedResource,
    /// No more data will come where some was needed. Streams of this crate give `Ok(None)` at their end; this is for
    /// programs to which that is a failure, and for [listeners](crate::streams::Listener) that give nothing more.
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
    /// All attempts to connect failed.
    ConnectionFailed(Box<ConnectionFailed>),
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
    /// A worker process ended, or did something else than to answer. Only with the feature `processes`.
    BrokenWorkerProcess(Box<BrokenWorkerProcess>),
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
            Self::TimedOut(_) => io::ErrorKind::TimedOut,
            Self::BrokenResource(error) | Self::Io(error) => error.kind(),
            Self::BusyResource(_) => io::ErrorKind::ResourceBusy,
            Self::AlreadyAcquired => io::ErrorKind::Deadlock,
            Self::ClosedResource => io::ErrorKind::NotConnected,
            Self::EndOfStream | Self::IncompleteRead => io::ErrorKind::UnexpectedEof,
            Self::DelimiterNotFound { .. } | Self::Tls(_) => io::ErrorKind::InvalidData,
            Self::WouldBlock => io::ErrorKind::WouldBlock,
            Self::Unsupported(_) => io::ErrorKind::Unsupported,
            Self::Finishing | Self::NoRun | Self::RunFinished => io::ErrorKind::Other,
            Self::ConnectionFailed(failed) => {
                failed.iter().next().map_or(io::ErrorKind::Other, io::Error::kind)
            }
            Self::ProcessFailed(_) | Self::BrokenWorkerProcess(_) | Self::Group(_) => io::ErrorKind::Other,
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
            Self::TimedOut(error) => error.fmt(f),
            Self::Finishing => f.write_str("finishing, so nothing new starts"),
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
            Self::ConnectionFailed(failed) => failed.fmt(f),
            Self::NoRun => f.write_str("no run on this thread, and none that this thread works for"),
            Self::RunFinished => f.write_str("the run is over"),
            Self::Unsupported(what) => write!(f, "{what} is not supported by this host or back end"),
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::ProcessFailed(failed) => failed.fmt(f),
            Self::BrokenWorkerProcess(broken) => broken.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

impl StdError for Error {
    /// What the text has not said yet: not what is inside, which it tells of, but the source of that.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::BrokenResource(error) | Self::Io(error) => error.source(),
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
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<ErrorGroup<Error>> for Error {
    /// A group that only passes a cancellation on becomes that cancellation.
    fn from(group: ErrorGroup<Error>) -> Self {
        match group.passed_on() {
            Some(Stopping::Cancel) => Self::Cancelled(Cancelled::new()),
            Some(Stopping::Finish) => Self::Finishing,
            None => Self::Group(Box::new(group)),
        }
    }
}

impl From<ErrorGroup<io::Error>> for Error {
    fn from(group: ErrorGroup<io::Error>) -> Self {
        group.map(Self::from).into()
    }
}

impl From<ErrorGroup<Error>> for io::Error {
    /// As that of an [`Error`]; the only error of a group becomes itself.
    fn from(group: ErrorGroup<Error>) -> Self {
        match group.is_cancelled() {
            true => Cancelled::new().into(),
            false => group.into_single().unwrap_or_else(|group| Error::Group(Box::new(group))).into(),
        }
    }
}

impl From<ErrorGroup<io::Error>> for io::Error {
    /// As that of an [`Error`]; the only error of a group becomes itself.
    fn from(group: ErrorGroup<io::Error>) -> Self {
        match group.is_cancelled() {
            true => Cancelled::new().into(),
            false => group.into_single().unwrap_or_else(|group| Error::from(group).into()),
        }
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
    fn from(error: TimedOut) -> Self {
        Error::TimedOut(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_way_through_io_error() {
        let cases = [
            Error::Cancelled(Cancelled::new()),
            Error::Finishing,
            Error::TimedOut(TimedOut::because("reading")),
            Error::BrokenResource(io::ErrorKind::ConnectionReset.into()),
            Error::BusyResource("reading from this stream"),
            Error::AlreadyAcquired,
            Error::ClosedResource,
            Error::EndOfStream,
            Error::IncompleteRead,
            Error::DelimiterNotFound { max_bytes: 7 },
            Error::WouldBlock,
            Error::Unsupported("linkat"),
            Error::Io(io::Error::from_raw_os_error(libc::ENOENT)),
            Error::of_operation(io::Error::from_raw_os_error(libc::ENOENT), "open", "/nowhere"),
        ];
        for error in cases {
            let (text, kind, raw) = (error.to_string(), error.kind(), error.raw_os_error());
            let back = Error::from(io::Error::from(error));
            assert_eq!((back.to_string(), back.kind(), back.raw_os_error()), (text, kind, raw));
        }
    }

    /// Each text of a chain once, and none within another.
    fn assert_told_once(error: &(dyn StdError + 'static)) {
        let mut texts = vec![error.to_string()];
        let mut next = error.source();
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        for (place, text) in texts.iter().enumerate() {
            assert!(!text.is_empty());
            let elsewhere = texts.iter().enumerate().filter(|&(other, _)| other != place);
            assert!(elsewhere.clone().all(|(_, other)| !other.contains(&**text)), "{texts:?}");
        }
    }

    #[test]
    fn an_error_with_its_chain_says_everything_once() {
        let refused = || io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let of_file = || Error::of_operation(refused(), "open", "/nowhere");
        let of_stream = || Error::of_stream(io::Error::from_raw_os_error(libc::ECONNRESET), "receive");
        let with_source = || io::Error::other(anyhow::anyhow!("inner").context("outer"));
        let several = || ErrorGroup::new([of_file(), of_stream(), TimedOut::new().into()]).unwrap();
        let errors: [Box<dyn StdError + Send + Sync>; 14] = [
            Box::new(Error::from(Cancelled::new())),
            Box::new(of_file()),
            Box::new(of_stream()),
            Box::new(Error::Io(refused())),
            Box::new(Error::Io(with_source())),
            Box::new(Error::of_operation(with_source(), "open", "/nowhere")),
            Box::new(io::Error::from(of_file())),
            Box::new(io::Error::from(of_stream())),
            Box::new(Error::from(several())),
            Box::new(several()),
            Box::new(ErrorGroup::new([Error::from(Cancelled::new())]).unwrap()),
            Box::new(ErrorGroup::new([io::Error::from(of_file())]).unwrap()),
            Box::new(Error::ConnectionFailed(Box::new(ConnectionFailed::new(
                "host:80".to_owned(),
                ErrorGroup::new([refused(), io::ErrorKind::TimedOut.into()]).unwrap(),
            )))),
            Box::new(crate::fs::WriteAllError { written: 5, error: of_file() }),
        ];
        for error in errors {
            assert_told_once(&*error);
            let text = error.to_string();
            let printed = format!("{:#}", anyhow::Error::from_boxed(error));
            assert!(printed.starts_with(&text), "{printed}");
            for told in ["refused", "reset", "/nowhere", "inner", "outer"] {
                assert!(printed.matches(told).count() <= 1, "{printed}");
            }
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
