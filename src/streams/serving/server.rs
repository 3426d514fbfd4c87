//! How connections are served.

use super::places::{Places, ServerStatistics};
use crate::{
    error::{Chain, Result, concerns_one_connection, stage_of},
    runtime::Core,
};
use std::{error::Error as StdError, fmt};

/// What decides about errors.
type OnError<'a, E> = Box<dyn Fn(E) -> Result<(), E> + 'a>;

/// How connections are served: how many at a time, in which group, and what becomes of errors and panics.
/// [`Listener::serve`](crate::streams::Listener::serve) is one with the default options. One server may serve on several listeners.
///
/// **A client cannot end a server.** What concerns one connection alone ends that connection, and is only logged, at the
/// level debug: what was broken by the peer or the network, or is closed, or ended too soon ([`Error::BrokenResource`](crate::Error::BrokenResource),
/// [`Error::ClosedResource`](crate::Error::ClosedResource), [`Error::EndOfStream`](crate::Error::EndOfStream), [`Error::IncompleteRead`](crate::Error::IncompleteRead)), what the peer said that is against the
/// protocol ([`Error::DelimiterNotFound`](crate::Error::DelimiterNotFound), [`std::io::ErrorKind::InvalidData`]), and a time limit of the handler
/// ([`Error::TimedOut`](crate::Error::TimedOut)); also as the [source](std::error::Error::source) of the handler's own error type, and as a group of
/// only such errors. [`Error::concerns_one_connection`](crate::Error::concerns_one_connection) tells which do.
///
/// Other errors are the program's. They go to [`on_error`](Self::on_error), and without that they end serving: the other
/// connections are cancelled and awaited, and the error comes out.
///
/// ```
/// use anyio::{Error, Result, net::{TcpListener, TcpStream}, streams::Server, task_group};
///
/// # anyio::run(async || -> Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
/// let server = Server::new().max_connections(100).catch_panics(true).on_error(|error: Error| {
///     eprintln!("a connection failed: {error}");
///     Ok(())
/// });
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         server.serve(&listener, async |stream: TcpStream| stream.send("hello").await).await?;
///         Ok(())
///     });
///     assert_eq!(TcpStream::connect(address).await?.receive().await?.unwrap(), "hello");
///     assert_eq!(server.statistics().accepted, 1);
///     tg.cancel();
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
#[must_use = "a server does nothing until it serves"]
pub struct Server<'a, E> {
    pub(super) places: Places,
    pub(super) catches_panics: bool,
    pub(super) on_error: Option<OnError<'a, E>>,
}

impl<'a, E> Server<'a, E> {
    /// A server with the default options.
    pub fn new() -> Self {
        Self { places: Places::default(), catches_panics: false, on_error: None }
    }

    /// Serves no more than this many connections at the same time, on all its listeners together. Others wait in the
    /// listener's backlog until one has ended. (Of several listeners each may hold one that was accepted already.) With 0
    /// none is ever served. By default there is no limit.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.places.limit_to(limit);
        self
    }

    /// Whether a panic of a handler ends its connection only: it is logged, at the level error, and counted. By default it
    /// ends serving and goes on there, after all other connections were cancelled and awaited.
    pub fn catch_panics(mut self, catches_panics: bool) -> Self {
        self.catches_panics = catches_panics;
        self
    }

    /// Decides about errors of handlers that do not concern their connection alone: `Ok(())` goes on, and what is given back
    /// as an error ends serving, as [`ErrorGroup::handle`](crate::ErrorGroup::handle) has it. By default all end it. A cancellation that a scope around
    /// the connection is responsible for is not shown, but passed on.
    pub fn on_error(mut self, on_error: impl Fn(E) -> Result<(), E> + 'a) -> Self {
        self.on_error = Some(Box::new(on_error));
        self
    }

    /// How it stands.
    pub fn statistics(&self) -> ServerStatistics {
        self.places.statistics()
    }
}

impl<E> Default for Server<'_, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for Server<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("statistics", &self.statistics())
            .field("catches_panics", &self.catches_panics)
            .finish_non_exhaustive()
    }
}

/// What the error of a handler is to its server.
pub(super) enum Settled {
    /// A scope around the connection is responsible, which is cancelled or finishing.
    Stopped,
    /// It concerns the connection alone.
    Lost,
    Failed,
}

impl Settled {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let is_stopped = |core: &Core| core.scope_is_effective() || core.scope_is_finishing();
        if stage_of(error).is_some() && Core::try_with(is_stopped).unwrap_or(false) {
            return Self::Stopped;
        }
        if concerns_one_connection(error) {
            log::debug!("a connection ended early: {}", Chain(error));
            return Self::Lost;
        }
        Self::Failed
    }
}
