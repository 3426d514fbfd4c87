//! Connections that go on as something else.

use super::body::RequestBody;
use crate::upgraded::UpgradedStream;
use anyio::OnThread;
use http::{Extensions, Method, Request, StatusCode, Version, header::UPGRADE};
use hyper::upgrade::OnUpgrade;
use std::{cell::RefCell, error::Error as StdError, fmt, future::Future, pin::Pin, rc::Rc};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What is to be done with a connection that is no longer HTTP.
#[derive(Clone, Default)]
pub(super) struct Upgrades(Rc<RefCell<Option<Task>>>);

/// The same in the hands of a handler.
#[derive(Clone)]
struct Offer(OnThread<Upgrades>);

/// What the handler of a request was offered.
pub(super) struct Offered {
    upgrades: Upgrades,
    /// The status that agrees to it.
    agreed: StatusCode,
    /// Whether it is a stream of its own, and not the connection.
    is_stream: bool,
}

impl Offered {
    /// Takes note of the status of the answer, if there is one. Gives what is to be done with the stream of the request.
    pub(super) fn conclude(self, status: Option<StatusCode>) -> Option<Task> {
        if status != Some(self.agreed) {
            // hyper hands connections over at their end even if that was not agreed to.
            drop(self.upgrades.take());
        }
        if self.is_stream { self.upgrades.take() } else { None }
    }
}

impl Upgrades {
    /// Lets the handler of a request take the connection over, or the stream, as `CONNECT` does in HTTP/2, if that is asked
    /// for.
    #[inline]
    pub(super) fn offer<B>(&self, request: &mut Request<B>) -> Option<Offered> {
        // hyper puts its own offer there, if the client has asked for one.
        if request.extensions().is_empty() { None } else { self.offer_what_is_asked_for(request) }
    }

    #[cold]
    fn offer_what_is_asked_for<B>(&self, request: &mut Request<B>) -> Option<Offered> {
        let has_streams = request.version() >= Version::HTTP_2;
        let (agreed, is_stream) = match request.method() {
            &Method::CONNECT => (StatusCode::OK, has_streams),
            _ if has_streams => return None,
            _ if request.headers().contains_key(UPGRADE) => (StatusCode::SWITCHING_PROTOCOLS, false),
            _ => return None,
        };
        let upgrades = if is_stream { Self::default() } else { self.clone() };
        request.extensions_mut().insert(Offer(OnThread::new(upgrades.clone())));
        Some(Offered { upgrades, agreed, is_stream })
    }

    pub(super) fn take(&self) -> Option<Task> {
        self.0.borrow_mut().take()
    }
}

/// Takes the connection of an HTTP/1.1 request over, once it is answered by 101, or by 200 if it was a `CONNECT`; in HTTP/2 the
/// stream of a `CONNECT`, by 200. It is closed when `then` ends. If the answer is another one, `then` is never called.
///
/// It is a part of the connection: it is cancelled and awaited at the end of the server, after its
/// [grace](crate::Server::grace).
///
/// ```
/// use anyio_http::{RequestBody, UpgradedStream, on_upgrade};
/// use http::{Request, Response, StatusCode, header::{CONNECTION, UPGRADE}};
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
///
/// async fn handle(mut request: Request<RequestBody>) -> anyio::Result<Response<Empty<Bytes>>> {
///     use futures_util::{AsyncReadExt, AsyncWriteExt};
///     let echo = async |stream: UpgradedStream| {
///         let (read, mut write) = stream.split();
///         drop(futures_util::io::copy(read, &mut write).await);
///     };
///     let status = match on_upgrade(&mut request, echo) {
///         Ok(()) => StatusCode::SWITCHING_PROTOCOLS,
///         Err(_) => StatusCode::UPGRADE_REQUIRED,
///     };
///     let answer = Response::builder().status(status).header(CONNECTION, "upgrade").header(UPGRADE, "echo");
///     Ok(answer.body(Empty::new()).unwrap())
/// }
/// # let _ = handle;
/// ```
///
/// # Errors
/// If the client does not ask for anything else than HTTP.
pub fn on_upgrade(
    request: &mut Request<RequestBody>,
    then: impl AsyncFnOnce(UpgradedStream) + 'static,
) -> Result<(), NotUpgradable> {
    take_upgrade(request.extensions_mut()).ok_or(NotUpgradable(()))?.begin(then);
    Ok(())
}

/// The wish of a client for something else than HTTP.
pub(crate) struct Upgrade {
    upgrades: OnThread<Upgrades>,
    connection: OnUpgrade,
}

/// Takes the wish of a client from its request.
pub(crate) fn take_upgrade(extensions: &mut Extensions) -> Option<Upgrade> {
    let Offer(upgrades) = extensions.remove::<Offer>()?;
    let connection = extensions.remove::<OnUpgrade>()?;
    Some(Upgrade { upgrades, connection })
}

impl Upgrade {
    /// Notes what is to be done with the connection, once that is agreed to.
    pub(crate) fn begin(self, then: impl AsyncFnOnce(UpgradedStream) + 'static) {
        let connection = self.connection;
        let task = async move {
            match connection.await {
                Ok(upgraded) => then(UpgradedStream::new(upgraded)).await,
                Err(error) => log::debug!("a connection was not upgraded: {error}"),
            }
        };
        *self.upgrades.0.borrow_mut() = Some(Box::pin(task));
    }
}

/// The request does not ask for an upgrade that the server knows of. See [`on_upgrade`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUpgradable(());

impl fmt::Display for NotUpgradable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request does not ask for an upgrade of its connection")
    }
}

impl StdError for NotUpgradable {}
