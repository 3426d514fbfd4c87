//! Serving.

mod admission;
mod answer;
mod answering;
mod body;
mod calls;
mod catch_panic;
mod connection;
mod connection_info;
mod driving;
mod error;
mod gathering;
mod head_limit;
mod options;
mod production;
mod protocol;
mod request_task;
mod requests;
mod send_limit;
mod sending;
mod statistics;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;

pub use body::{BodyError, RequestBody};
pub use connection_info::ConnectionInfo;
pub use error::ConnectionError;
pub use production::{BodySender, ProducedBody, produce_body};
pub(crate) use sending::Sending;
pub use statistics::ServerStatistics;
pub use upgrade::{NotUpgradable, on_upgrade};
#[cfg(feature = "websocket")]
pub(crate) use upgrade::{Upgrade, take_upgrade};

use self::{
    calls::CallCount,
    catch_panic::CatchPanic,
    connection::{Connection, Serving},
    options::Options,
    statistics::{Counts, count},
};
use crate::BoxError;
use anyio::{
    Error, Result, lowlevel,
    streams::{self, Listener, Split},
    sync::{Event, Semaphore},
    task_group,
};
use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use std::{cell::Cell, convert::Infallible, fmt, time::Duration};

type OnError<'a> = Box<dyn Fn(&ConnectionError) + 'a>;

/// Serves HTTP/1.1 and HTTP/2, on whatever accepts streams: TCP, UNIX, TLS. One server may serve on several listeners.
///
/// Which version a connection speaks is known by ALPN where there is TLS, and else by what it begins with.
///
/// **A request is a child task.** If its client goes away, resets the stream, or takes too long, or the server has to end,
/// the task is cancelled and awaited, so that [`using`](anyio::using) and other cleanup run to their end. Handlers borrow
/// from what is around the server, and need be neither `Send` nor `'static`. The body of an answer is not of the task: what
/// has to be cleaned up belongs into the handler, or into `Drop`. Or a task makes the body, by [`produce_body`].
///
/// **No client and no handler ends a server.** An error or a panic of a handler is answered by 500 and logged; a panic also
/// ends its connection, once that is answered. The body of an answer that panics ends its connection. Errors of connections go
/// to [`on_error`](Self::on_error).
///
/// A handler that waits for what is not anyio's, such as a channel of tokio's, does that within [`foreign`](anyio::foreign()):
/// elsewhere it cannot be cancelled, and would be awaited in vain.
///
/// **It ends gracefully** when the scope around it is told to [finish](anyio::Scope::finish), as by
/// [`Interrupt::Finish`](anyio::Interrupt::Finish): it no longer accepts, connections without a request are closed, those
/// with one answer it and are closed then. After the time that was given to the scope what is left is cancelled and awaited.
/// If the scope is cancelled at once, as by Ctrl-C, the server finishes in the same way, within its own
/// [`grace`](Self::grace).
///
/// ```
/// use anyio::{Result, net::TcpListener, task_group};
/// use anyio_http::Server;
/// use http_body_util::Full;
/// use hyper::{Response, body::Bytes};
/// use std::cell::Cell;
///
/// # anyio::run(async || -> Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
/// let visits = Cell::new(0);
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         let handler = async |_request| {
///             visits.set(visits.get() + 1);
///             anyio::Ok(Response::new(Full::new(Bytes::from(format!("visit {}\n", visits.get())))))
///         };
///         Server::new().serve(&listener, handler).await
///     });
///     let client = anyio::net::TcpStream::connect(address).await?;
///     client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
///     let mut answer = Vec::new();
///     while let Some(chunk) = client.receive().await? {
///         answer.extend_from_slice(&chunk);
///     }
///     assert!(answer.starts_with(b"HTTP/1.1 200 OK") && answer.ends_with(b"visit 1\n"));
///     tg.cancel();
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
#[must_use = "a server does nothing until it serves"]
pub struct Server<'a> {
    connections: streams::Server<'static, Error>,
    options: Options,
    requests: Option<Semaphore>,
    on_error: Option<OnError<'a>>,
    counts: Counts,
}

impl<'a> Server<'a> {
    /// A server with the default options.
    pub fn new() -> Self {
        Self {
            connections: streams::Server::new().catch_panics(true),
            options: Options::default(),
            requests: None,
            on_error: None,
            counts: Counts::default(),
        }
    }

    /// Serves no more than this many connections at the same time. Others wait in the listener's backlog. By default there
    /// is no limit.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.connections = self.connections.max_connections(limit);
        self
    }

    /// Handles no more than this many requests at the same time, of all connections. Others wait, and their
    /// [time](Self::request_timeout) runs. By default there is no limit.
    pub fn max_requests(mut self, limit: usize) -> Self {
        self.requests = Some(Semaphore::new(limit));
        self
    }

    /// How long a client may take for the first bytes of a connection; 10 seconds by default, `None` for ever. (A listener
    /// for TLS has a limit of its own for the handshake.)
    pub fn handshake_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.handshake_timeout = limit.into();
        self
    }

    /// How long the head of a request may take, in HTTP/1.1, from the first byte of a connection or the end of the request
    /// before; 30 seconds by default, `None` for ever. The connection is closed then.
    pub fn header_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.header_timeout = limit.into();
        self
    }

    /// How long the handler may take for a request, until it gives the answer, whose body may take longer. By default there
    /// is no limit.
    ///
    /// Its task is cancelled then and awaited, and the answer is 503, whatever it gives.
    pub fn request_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.request_timeout = limit.into();
        self
    }

    /// How long a connection may have no request, neither handled nor answered; 2 minutes by default, `None` for ever.
    /// In HTTP/1.1, [`header_timeout`](Self::header_timeout) counts as well.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.idle_timeout = limit.into();
        self
    }

    /// How long a client may take no more than [so much](Self::min_send_rate) of what is to be sent to it; 60 seconds by default,
    /// `None` for ever.
    ///
    /// Time runs only while something waits that could be sent if the client read: not while a handler or a body has nothing to
    /// send. It is looked at in steps of this time, so a client that stops in between has up to twice as long. A connection whose
    /// client is too slow is ended, and its requests are cancelled and awaited. In HTTP/2 so is a single
    /// stream whose client opens its window too little, while its other streams and the connection go on. (Where all of a body is with
    /// the protocol only the end of the connection frees it: there are no more requests then, and those that it has
    /// still take no longer than [`grace`](Self::grace).) Connections that go on as something else than HTTP/1.1 have no such limit.
    ///
    /// A service that sends messages to clients which let it wait for minutes, as streams of gRPC may, needs a longer
    /// time, or none.
    pub fn send_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options.send_timeout = limit.into();
        self
    }

    /// How many bytes a second a client has to take at least of what is to be sent to it, on average over the time of
    /// [`send_timeout`](Self::send_timeout); 240 by default. With 0, any byte will do. Of TCP on Linux each byte counts that the
    /// client has acknowledged; of other streams what is written, in pieces of up to 64 KiB.
    pub fn min_send_rate(mut self, bytes_per_second: u64) -> Self {
        self.options.min_send_rate = bytes_per_second;
        self
    }

    /// Asks the peer of an HTTP/2 connection for a sign of life after each such interval, and closes it without an answer
    /// within the limit. By default it is not asked.
    pub fn keep_alive(mut self, interval: Duration, limit: Duration) -> Self {
        self.options.keep_alive = Some((interval, limit));
        self
    }

    /// How many requests of one HTTP/2 connection are handled at the same time; 200 by default. Those that the client has taken
    /// back count until they have cleaned up, and so do bodies of [`produce_body`] and streams that were taken over; more wait.
    pub fn max_streams(mut self, limit: u32) -> Self {
        self.options.max_streams = limit;
        self
    }

    /// Whether clients of HTTP/2 may ask for something else on one stream, such as a WebSocket (RFC 8441); false by default.
    ///
    /// Browsers do so then where they have a connection already. The request is a `CONNECT` and no `GET`, so a route for it
    /// takes `any` method, and what an [`on_upgrade`] is for is told by the extension [`hyper::ext::Protocol`].
    pub fn extended_connect(mut self, on: bool) -> Self {
        self.options.extended_connect = on;
        self
    }

    /// How many bytes the head of a request may have; 64 KiB by default. Longer ones are answered by 431.
    pub fn max_header_bytes(mut self, limit: u32) -> Self {
        self.options.max_header_bytes = limit;
        self
    }

    /// How many bytes the body of a request may have. One that says that it has more is answered by 413 at once; of one
    /// that does not say, no more is read, by an [error](BodyError::TooLarge), and an error of the handler with that as its
    /// source is answered by 413. By default there is no limit.
    pub fn max_body_bytes(mut self, limit: u64) -> Self {
        self.options.max_body_bytes = Some(limit);
        self
    }

    /// How long requests may still take after serving was cancelled (when it is told to finish, it is told how long), and after
    /// a connection has been idle for too long: 10 seconds by default. They are cancelled then and
    /// awaited.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// What to do about what went wrong on a connection or in a handler, besides answering. By default errors of connections
    /// are logged at the level debug, errors and panics of handlers at the level error. Cancellations are not shown.
    pub fn on_error(mut self, on_error: impl Fn(&ConnectionError) + 'a) -> Self {
        self.on_error = Some(Box::new(on_error));
        self
    }

    /// How it stands.
    pub fn statistics(&self) -> ServerStatistics {
        self.counts.statistics(self.connections.statistics())
    }

    /// Accepts connections for ever, and calls the handler for each request, each in a task of its own.
    ///
    /// A closure or function is a handler as it is; `tower` makes one of tower's services, such as an
    /// axum router.
    ///
    /// # Errors
    /// The cancellation, once all connections have ended, and an error of the listener that makes it useless. If the scope is
    /// finishing, `Ok(None)` once all have ended.
    ///
    /// # Cancel safety
    /// See above for how it ends. Connections that were not accepted stay in the listener. If this future is dropped,
    /// connections and handlers are dropped.
    pub async fn serve<L, B, E>(
        &self,
        listener: &L,
        handler: impl AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
    ) -> Result<Option<Infallible>>
    where
        L: Listener<Stream: Split> + ?Sized,
        B: Body<Data: Buf + 'static, Error: Into<BoxError>> + 'static,
        E: Into<BoxError> + 'static,
    {
        let (draining, is_finishing) = (Event::new(), Cell::new(false));
        let calls = CallCount::default();
        let serving = Serving { server: self, calls, draining: &draining, is_finishing: &is_finishing };
        let (serving, handler) = (&serving, &handler);
        let serve = &async |stream: L::Stream| {
            let (receive, send) = stream.split();
            let connection = Connection::new(serving, &receive);
            // Handlers are not all that may panic: bodies do, and what is told of errors.
            CatchPanic::new(connection.serve(receive, send, handler)).await.unwrap_or_else(|panic| {
                count(&self.counts.panicked);
                self.tell(&ConnectionError::of_panic(panic));
                Ok(())
            })
        };
        let served = task_group(async |group| -> Result<Infallible> {
            let ended = self.connections.serve_in(group, listener, serve).await;
            is_finishing.set(lowlevel::is_finishing() && !lowlevel::is_cancelled());
            draining.set();
            ended
        })
        .await;
        match served {
            Ok(Some(never)) => match never {},
            // Nothing within cancels the group.
            Ok(None) => Err(Error::ClosedResource),
            Err(stopped) if stopped.is_finishing() => Ok(None),
            // Connections give none but cancellations.
            Err(errors) => Err(errors.into_first()),
        }
    }

    fn tell(&self, error: &ConnectionError) {
        match &self.on_error {
            Some(on_error) => on_error(error),
            None => error.log(),
        }
    }
}

impl Default for Server<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("options", &self.options)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
