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

impl Upgrades {
    /// Those of a request that has a stream of its own to take over, as `CONNECT` has in HTTP/2.
    pub(super) fn of_stream<B>(request: &Request<B>) -> Option<Self> {
        let takes_stream = request.version() >= Version::HTTP_2 && request.method() == Method::CONNECT;
        takes_stream.then(Self::default)
    }

    /// Lets the handler of a request take the connection or the stream over, if that is asked for. Gives the status that
    /// agrees to it.
    pub(super) fn offer(&self, request: &mut Request<RequestBody>) -> Option<StatusCode> {
        // hyper puts its own offer there, if the client has asked for one.
        if request.extensions().is_empty() {
            return None;
        }
        let agreed = match request.method() {
            &Method::CONNECT => StatusCode::OK,
            _ if request.version() >= Version::HTTP_2 => return None,
            _ if request.headers().contains_key(UPGRADE) => StatusCode::SWITCHING_PROTOCOLS,
            _ => return None,
        };
        request.extensions_mut().insert(Offer(OnThread::new(self.clone())));
        Some(agreed)
    }

    /// Forgets what was to be done. hyper hands connections over at their end even if that was not agreed to.
    pub(super) fn refuse(&self) {
        let refused = self.take();
        drop(refused);
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
