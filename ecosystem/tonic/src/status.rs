//! What errors are to gRPC.

use crate::BoxError;
use anyio::{CancelAware, Cancelled, Error, TimedOut};
use anyio_http::{BodyError, ClientError, ClientErrorKind};
use std::{error::Error as StdError, io, sync::Arc};
use tonic::{Code, Status};

/// Makes a status of the error, for `?` in the methods of a service.
pub trait OrStatus<T> {
    /// The value, or a status that stands for the error and has it as its source: a cancellation is
    /// [`Code::Cancelled`], a time-out [`Code::DeadlineExceeded`], what finishes [`Code::Unavailable`], and what is unknown
    /// [`Code::Unknown`].
    ///
    /// # Errors
    /// That status.
    fn or_status(self) -> Result<T, Status>;
}

impl<T, E: Into<BoxError>> OrStatus<T> for Result<T, E> {
    fn or_status(self) -> Result<T, Status> {
        self.map_err(of_error)
    }
}

/// Makes an error of anyio's of a status, for `?` in what calls.
pub trait OrError<T> {
    /// The value, or an error with the status as its source: it is a cancellation if the call was cancelled by a scope,
    /// and a [time-out](Error::TimedOut) if its deadline has passed.
    ///
    /// # Errors
    /// That one.
    fn or_error(self) -> Result<T, Error>;
}

impl<T> OrError<T> for Result<T, Status> {
    fn or_error(self) -> Result<T, Error> {
        self.map_err(|status| match status.code() {
            Code::DeadlineExceeded if !status.is_cancelled() => TimedOut::because(status.to_string()).into(),
            _ => Error::from(io::Error::other(status)),
        })
    }
}

/// That the time for a call is over.
pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// That a scope has cancelled a call, whose deadline may have passed.
pub(crate) fn cancelled(cancelled: impl Into<BoxError>, has_passed: bool) -> Status {
    let mut status = if has_passed {
        deadline_exceeded()
    } else {
        Status::cancelled("the call was cancelled by a scope around it")
    };
    status.set_source(Arc::from(cancelled.into()));
    status
}

/// What any error is to gRPC.
pub(crate) fn of_error(error: impl Into<BoxError>) -> Status {
    let error = match error.into().downcast::<Status>() {
        Ok(status) => return *status,
        Err(error) => error,
    };
    let mut next: Option<&(dyn StdError + 'static)> = Some(&*error);
    let mut found = None;
    while let Some(cause) = next {
        if let Some(status) = cause.downcast_ref::<Status>() {
            return status.clone();
        }
        found = code(cause).or(found);
        next = cause_of(cause);
    }
    let code = match found {
        _ if error.is_cancelled() => Code::Cancelled,
        _ if error.is_finishing() => Code::Unavailable,
        Some(code) => code,
        None => Code::Unknown,
    };
    let mut status = Status::new(code, text(&*error));
    status.set_source(Arc::from(error));
    status
}

/// What an error comes of. One of the standard library's gives the cause of what it wraps, and so would hide that itself.
fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The error and all its causes.
fn text(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// What one of the causes says about that.
fn code(error: &(dyn StdError + 'static)) -> Option<Code> {
    if error.is::<Cancelled>() {
        return Some(Code::Cancelled);
    }
    if error.is::<TimedOut>() {
        return Some(Code::DeadlineExceeded);
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        return match error {
            Error::TimedOut(_) => Some(Code::DeadlineExceeded),
            Error::Finishing => Some(Code::Unavailable),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return Some(of_http2(error));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // Of these a cause may say more.
        return error.is_canceled().then_some(Code::Cancelled).or(Some(Code::Unavailable));
    }
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return match error.kind() {
            ClientErrorKind::Connect => Some(Code::Unavailable),
            ClientErrorKind::TimedOut => Some(Code::DeadlineExceeded),
            ClientErrorKind::TooLarge => Some(Code::ResourceExhausted),
            ClientErrorKind::Request => Some(Code::Internal),
            _ => None,
        };
    }
    match error.downcast_ref::<BodyError>()? {
        BodyError::TooLarge { .. } => Some(Code::ResourceExhausted),
        _ => None,
    }
}

/// What the end of a stream or a connection of HTTP/2 is to gRPC
/// ([Errors](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors)).
fn of_http2(error: &h2::Error) -> Code {
    if error.is_io() || error.is_go_away() {
        return Code::Unavailable;
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(_) => Code::Internal,
        None => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_the_codes_that_stand_for_them() {
        let of = |error: BoxError| of_error(error).code();
        assert_eq!(of(Error::from(TimedOut::new()).into()), Code::DeadlineExceeded);
        assert_eq!(of(Error::Finishing.into()), Code::Unavailable);
        assert_eq!(of(io::Error::other(h2::Error::from(h2::Reason::CANCEL)).into()), Code::Cancelled);
        assert_eq!(of(h2::Error::from(h2::Reason::REFUSED_STREAM).into()), Code::Unavailable);
        assert_eq!(of(h2::Error::from(h2::Reason::PROTOCOL_ERROR).into()), Code::Internal);
        assert_eq!(of("anything".into()), Code::Unknown);
        assert_eq!(of(Status::not_found("gone").into()), Code::NotFound);
        assert_eq!(of(BodyError::TooLarge { limit: 5 }.into()), Code::ResourceExhausted);
    }

    #[test]
    fn a_cancellation_stays_one_on_its_way_through_a_status() {
        anyio::run(async || {
            let scope = anyio::CancelScope::new();
            scope.cancel();
            let slept = scope.run(async || {
                let slept = anyio::sleep_forever().await;
                let status = Err::<(), _>(slept).or_status().unwrap_err();
                assert_eq!(status.code(), Code::Cancelled);
                Err::<(), _>(status).or_error()
            });
            assert!(matches!(slept.await, Ok(None)));
        });
        let status = Err::<(), _>(Error::from(TimedOut::new())).or_status();
        assert!(matches!(status.or_error(), Err(Error::TimedOut(_))));
    }
}
