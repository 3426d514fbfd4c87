//! What every listener can do.

use super::{Connections, Server};
use crate::{
    error::{CancelAware, Error, ErrorGroup, Result},
    group::{TaskGroup, task_group},
    scope::idle,
};
use std::{convert::Infallible, future::Future};

/// Where streams come from: a socket that listens, or what wraps one.
///
/// What wraps another listener to prepare its streams, for example by a handshake, prepares them in
/// [`accept`](Self::accept) one after the other, and better also has a [`serve_in`](Self::serve_in) of its own, which does
/// that in the task of each stream.
///
/// ```
/// use anyio::{Result, net::{TcpListener, TcpStream}, streams::{BufferedByteStream, Listener}};
///
/// /// Accepts streams with a buffer.
/// struct Buffered(TcpListener);
///
/// impl Listener for Buffered {
///     type Stream = BufferedByteStream<TcpStream>;
///
///     async fn accept(&self) -> Result<Self::Stream> {
///         Ok(BufferedByteStream::new(self.0.accept().await?))
///     }
///
///     async fn close(self) -> Result<()> {
///         self.0.close().await
///     }
/// }
/// # anyio::run(async || -> Result<()> {
/// let listener = Buffered(TcpListener::bind("127.0.0.1:0").await?);
/// let client = TcpStream::connect(listener.0.local_addr()?).await?;
/// client.send("a line\n").await?;
/// assert_eq!(listener.accept().await?.receive_line(100).await?.unwrap(), "a line");
/// # Ok(()) }).unwrap();
/// ```
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait Listener {
    /// What comes.
    type Stream;

    /// Waits for a stream.
    ///
    /// # Errors
    /// What the system says; some errors concern one connection only and leave the listener usable, and those whose
    /// [`concerns_one_connection`](Error::concerns_one_connection) is true do not end serving. [`Error::ClosedResource`]
    /// and [`Error::EndOfStream`] are the exception: they say of the listener itself that nothing more will come.
    /// [`Error::BusyResource`] if another task is accepting, [`Error::Cancelled`] if the scope is cancelled,
    /// [`Error::Finishing`] if it is [finishing](crate::Scope::finish).
    ///
    /// # Cancel safety
    /// No connection is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    async fn accept(&self) -> Result<Self::Stream>;

    /// Accepts for ever, and calls the handler for each stream, each in a task of its own. Goes on after connections that
    /// were aborted, and waits when descriptors or memory run out.
    ///
    /// It ends when the scope is cancelled, or when a handler fails: then the others are cancelled. When the scope is told to
    /// [finish](crate::Scope::finish) it accepts no more, and gives `Ok(None)` when all handlers have ended. An error that
    /// [concerns one connection](Error::concerns_one_connection) alone, such as a reset, ends that connection and nothing
    /// else, and is logged. [`Server`] says more, and has options.
    ///
    /// # Errors
    /// Other errors of the handlers, and an error of the listener that makes it useless.
    ///
    /// # Cancel safety
    /// The handlers are cancelled and awaited. Connections that were not accepted stay in the listener.
    async fn serve<E, Via>(
        &self,
        handler: impl AsyncFn(Self::Stream) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        E: CancelAware<Via> + From<Error>,
    {
        Server::new().serve(self, handler).await
    }

    /// Accepts for ever, and starts the task of each stream where a [`Server`] wants it: what [`Server::serve`] and
    /// [`Server::serve_in`] call. A listener that wraps another passes the connections on to that one's `serve_in`, with a
    /// handler that prepares the stream first. Others leave this as it is.
    ///
    /// ```
    /// use anyio::{
    ///     Error, Result, fail_after, net::{TcpListener, TcpStream}, streams::{Connections, Listener},
    /// };
    /// use std::{convert::Infallible, future::Future, time::Duration};
    ///
    /// /// Accepts streams that have said a password.
    /// struct Guarded(TcpListener);
    ///
    /// async fn guard(stream: TcpStream) -> Result<TcpStream> {
    ///     let said = fail_after(Duration::from_secs(5), stream.receive()).await?;
    ///     if said.is_some_and(|said| said == "sesame") { Ok(stream) } else { Err(Error::EndOfStream) }
    /// }
    ///
    /// impl Listener for Guarded {
    ///     type Stream = TcpStream;
    ///
    ///     async fn accept(&self) -> Result<TcpStream> {
    ///         guard(self.0.accept().await?).await
    ///     }
    ///
    ///     async fn serve_in<'scope, E, F>(
    ///         &self,
    ///         connections: Connections<'scope, '_, E>,
    ///         handler: impl Fn(TcpStream) -> F + Clone + 'scope,
    ///     ) -> Result<Infallible>
    ///     where
    ///         E: From<Error> + 'scope,
    ///         F: Future<Output = Result<(), E>> + 'scope,
    ///     {
    ///         let guarded = move |stream| {
    ///             let handler = handler.clone();
    ///             async move { handler(guard(stream).await?).await }
    ///         };
    ///         self.0.serve_in(connections, guarded).await
    ///     }
    ///
    ///     async fn close(self) -> Result<()> {
    ///         self.0.close().await
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// An error of the listener that makes it useless, or the cancellation.
    ///
    /// # Cancel safety
    /// Connections that were accepted go on, others stay in the listener.
    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(Self::Stream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        Self::Stream: 'scope,
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        connections.accept_from(async || self.accept().await, handler).await
    }

    /// Closes the listener and waits until that is done.
    ///
    /// # Errors
    /// What the operating system reports; the listener is closed all the same.
    ///
    /// # Cancel safety
    /// The listener is closed in any case, also in a cancelled scope and when the future is dropped.
    async fn close(self) -> Result<()>
    where
        Self: Sized;
}

impl<E> Server<'_, E> {
    /// Accepts for ever, and calls the handler for each connection, each in a task of its own. Goes on after connections
    /// that were aborted, and waits when descriptors or memory run out.
    ///
    /// When the scope is told to [finish](crate::Scope::finish) it accepts no more, and gives `Ok(None)` when all handlers
    /// have ended. Those learn of it by [`idle`](crate::idle()) waits.
    ///
    /// # Errors
    /// Those of handlers that end serving, and an error of the listener that makes it useless.
    ///
    /// # Cancel safety
    /// The handlers are cancelled and awaited. Connections that were not accepted stay in the listener.
    ///
    /// # Panics
    /// If a handler did and [`catch_panics`](Self::catch_panics) is not set.
    pub async fn serve<L, Via>(
        &self,
        listener: &L,
        handler: impl AsyncFn(L::Stream) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        L: Listener + ?Sized,
        E: CancelAware<Via> + From<Error>,
    {
        let handler = &handler;
        let served = task_group(async move |group| -> Result<Infallible, E> {
            Ok(self.serve_in(group, listener, handler).await?)
        })
        .await;
        match served {
            Err(group) if group.is_finishing() => Ok(None),
            served => served,
        }
    }

    /// Does the same with the connections as tasks of a group of the caller's. They go on when this ends, so it can be
    /// cancelled to stop accepting, and the group be waited for or given a deadline.
    ///
    /// ```
    /// use anyio::{CancelScope, Error, Result, net::{TcpListener, TcpStream}, streams::Server, task_group};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let address = listener.local_addr()?;
    /// let accepting = CancelScope::new();
    /// let server = Server::new();
    /// let handler = async |stream: TcpStream| -> Result<()> {
    ///     accepting.cancel();
    ///     stream.send("the last one").await
    /// };
    /// task_group(async |connections| -> Result<()> {
    ///     let client = TcpStream::connect(address).await?;
    ///     accepting.run(async || server.serve_in(connections, &listener, &handler).await).await?;
    ///     assert_eq!(client.receive().await?.unwrap(), "the last one");
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// An error of the listener that makes it useless, the cancellation, or [`Error::Finishing`]. Those of handlers go to the
    /// group.
    ///
    /// # Cancel safety
    /// Connections that were accepted go on, others stay in the listener.
    pub async fn serve_in<'scope, L, Via>(
        &'scope self,
        group: &'scope TaskGroup<'scope, '_, E>,
        listener: &L,
        handler: &'scope impl AsyncFn(L::Stream) -> Result<(), E>,
    ) -> Result<Infallible>
    where
        L: Listener<Stream: 'scope> + ?Sized,
        E: CancelAware<Via> + From<Error>,
    {
        // Whatever listeners wait for is the beginning of something new.
        idle(listener.serve_in(Connections::new(self, group), move |stream| handler(stream))).await
    }
}
