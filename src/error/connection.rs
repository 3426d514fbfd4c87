//! Telling errors that concern one connection alone.

use super::{
    Error, Failure, TimedOut,
    inside::{Wanted, inside},
};
use std::{error::Error as StdError, io};

impl Error {
    /// Whether this concerns one connection alone: it was broken or closed, ended too soon, took too long, or the peer does
    /// not keep to the protocol. For a [`Server`](crate::streams::Server) such an error ends the connection and nothing
    /// else. Of a group all errors have to be of this kind.
    ///
    /// An error that names something else on which an operation failed, such as a file or an address to connect to, does not.
    pub fn concerns_one_connection(&self) -> bool {
        match self {
            Self::BrokenResource(_)
            | Self::ClosedResource
            | Self::EndOfStream
            | Self::IncompleteRead
            | Self::DelimiterNotFound { .. }
            | Self::Tls(_)
            | Self::TimedOut(_) => true,
            Self::Io(error) => is_of_connection(error),
            Self::Group(group) => group.iter().all(Self::concerns_one_connection),
            _ => false,
        }
    }
}

/// The same for any error, also where such an error is its source.
pub(crate) fn concerns_one_connection(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return error.concerns_one_connection();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return is_of_connection(error);
        }
        if error.is::<TimedOut>() {
            return true;
        }
        next = inside(error, Wanted::Graver);
    }
    false
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    if let Some(inner) = error.get_ref() {
        if let Some(failure) = inner.downcast_ref::<Failure>() {
            return failure.subject().is_none() && is_of_connection(failure.cause());
        }
        if inner.is::<Error>() {
            return concerns_one_connection(inner);
        }
    }
    matches!(
        error.kind(),
        ConnectionReset
            | ConnectionAborted
            | BrokenPipe
            | NotConnected
            | UnexpectedEof
            | TimedOut
            | HostUnreachable
            | NetworkUnreachable
            | InvalidData
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cancelled, ErrorGroup};

    fn group(errors: impl IntoIterator<Item = Error>) -> Error {
        ErrorGroup::new(errors).unwrap().into()
    }

    #[test]
    fn what_a_peer_can_cause_concerns_its_connection() {
        let reset = || io::Error::from_raw_os_error(libc::ECONNRESET);
        let cases: [Box<dyn StdError>; 9] = [
            Box::new(Error::of_stream(reset(), "receive")),
            Box::new(reset()),
            Box::new(io::Error::from(Error::EndOfStream)),
            Box::new(io::Error::new(io::ErrorKind::InvalidData, "no text")),
            Box::new(Error::DelimiterNotFound { max_bytes: 5 }),
            Box::new(TimedOut::new()),
            Box::new(group([TimedOut::new().into(), Error::IncompleteRead])),
            Box::new(ErrorGroup::new([reset()]).unwrap()),
            Box::new(
                ErrorGroup::new([anyhow::Error::from(Error::from(TimedOut::new())), reset().into()]).unwrap(),
            ),
        ];
        for case in cases {
            assert!(concerns_one_connection(&*case), "{case:?}");
        }
    }

    #[test]
    fn what_is_the_programs_does_not() {
        let missing = || io::Error::from_raw_os_error(libc::ENOENT);
        let cases: [Box<dyn StdError>; 8] = [
            Box::new(Error::of_operation(missing(), "open", "/nowhere")),
            Box::new(Error::of_operation(io::ErrorKind::HostUnreachable.into(), "connect", "10.0.0.1:80")),
            Box::new(Error::of_operation(io::ErrorKind::InvalidData.into(), "read", "settings")),
            Box::new(missing()),
            Box::new(Error::from(Cancelled::new())),
            Box::new(Error::AlreadyAcquired),
            Box::new(group([TimedOut::new().into(), Error::WouldBlock])),
            Box::new(
                ErrorGroup::new([anyhow::Error::from(Error::from(TimedOut::new())), missing().into()])
                    .unwrap(),
            ),
        ];
        for case in cases {
            assert!(!concerns_one_connection(&*case), "{case:?}");
        }
    }
}
