//! What goes wrong with a request.

use crate::BoxError;
use anyio::{Cancelled, Error, TimedOut};
use http::StatusCode;
use std::{error::Error as StdError, fmt};
use url::Url;

/// What went wrong with a request of a [`Client`](crate::Client). It becomes an [`anyio::Error`] by `?`.
pub struct ClientError(Box<Inner>);

struct Inner {
    kind: ClientErrorKind,
    url: Option<Url>,
    source: Option<BoxError>,
}

/// The kind of a [`ClientError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The scope was cancelled.
    Cancelled,
    /// The time that was given for it, or for connecting, was over.
    TimedOut,
    /// It cannot be sent as it is: its URL, a header, or what was to become its body.
    Request,
    /// There was no connection to the server or the proxy.
    Connect,
    /// The connection broke, or one of the sides spoke something else than HTTP. Its source tells more.
    Transfer,
    /// There were more redirects than [allowed](crate::ClientOptions::redirects).
    TooManyRedirects,
    /// The body of the answer is larger than [allowed](crate::ClientOptions::max_body_bytes).
    TooLarge,
    /// The body of the answer is not what it was to be: JSON, or what its encoding says.
    Decode,
    /// The answer says that the request failed. See [`ClientResponse::error_for_status`](crate::ClientResponse::error_for_status).
    Status(StatusCode),
    /// The server did not agree to go on with something else than HTTP.
    NotUpgraded,
}

impl ClientError {
    pub(super) fn new(kind: ClientErrorKind) -> Self {
        Self(Box::new(Inner { kind, url: None, source: None }))
    }

    /// Of what somebody else says, which may be a cancellation or one of these as well.
    pub(crate) fn of_source(kind: ClientErrorKind, source: impl Into<BoxError>) -> Self {
        use anyio::CancelAware;

        let source = match source.into().downcast::<Self>() {
            Ok(own) => return *own,
            Err(source) => source,
        };
        let kind = if source.is_cancelled() {
            ClientErrorKind::Cancelled
        } else if is_time_out(&*source) {
            ClientErrorKind::TimedOut
        } else {
            kind
        };
        Self(Box::new(Inner { kind, url: None, source: Some(source) }))
    }

    /// Says what was asked for, without the password in it.
    pub(super) fn at(mut self, url: &Url) -> Self {
        let mut url = url.clone();
        if !url.username().is_empty() || url.password().is_some() {
            let _ = (url.set_username(""), url.set_password(None));
        }
        self.0.url.get_or_insert(url);
        self
    }

    /// Its kind.
    pub fn kind(&self) -> ClientErrorKind {
        self.0.kind
    }

    /// What was asked for, if that is known, without a name and password.
    pub fn url(&self) -> Option<&Url> {
        self.0.url.as_ref()
    }
}

fn is_time_out(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<TimedOut>() || matches!(error.downcast_ref(), Some(Error::TimedOut(_))) {
            return true;
        }
        next = error.source();
    }
    false
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.kind {
            ClientErrorKind::Cancelled => "the request was cancelled",
            ClientErrorKind::TimedOut => "the request took longer than allowed",
            ClientErrorKind::Request => "the request cannot be sent as it is",
            ClientErrorKind::Connect => "there was no connection",
            ClientErrorKind::Transfer => "the request or its answer broke off",
            ClientErrorKind::TooManyRedirects => "there were more redirects than allowed",
            ClientErrorKind::TooLarge => "the answer is larger than allowed",
            ClientErrorKind::Decode => "the answer is not what it was to be",
            ClientErrorKind::Status(status) => {
                write!(f, "the server answered {status}")?;
                ""
            }
            ClientErrorKind::NotUpgraded => "the server goes on with HTTP",
        };
        f.write_str(text)?;
        if let Some(url) = &self.0.url {
            write!(f, " ({url})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.0.kind)
            .field("url", &self.0.url.as_ref().map(Url::as_str))
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for ClientError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|error| error as &(dyn StdError + 'static))
    }
}

impl From<Cancelled> for ClientError {
    fn from(cancelled: Cancelled) -> Self {
        Self::of_source(ClientErrorKind::Cancelled, cancelled)
    }
}

impl From<TimedOut> for ClientError {
    fn from(_: TimedOut) -> Self {
        Self::new(ClientErrorKind::TimedOut)
    }
}

/// What else goes wrong where requests are sent.
impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        Self::of_source(ClientErrorKind::Transfer, error)
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error.kind() {
            ClientErrorKind::TimedOut => anyio::TimedOut::because(error.to_string()).into(),
            // Whose cancellation is found among its sources.
            _ => Self::from(std::io::Error::other(error)),
        }
    }
}
