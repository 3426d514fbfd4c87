//! What every listener can do.

use super::serving;
use crate::error::{CancelAware, Error, ErrorGroup, Result};
use std::convert::Infallible;

/// Where streams come from: a socket that listens, or what wraps one.
///
/// What wraps another listener to prepare its streams, for example by a handshake, prepares them in
/// [`accept`](Self::accept) one after the other, and better also has a [`serve`](Self::serve) of its own, which does that
/// in the task of each stream.
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
    /// What the system says; some errors concern one connection only and leave the listener usable.
    /// [`Error::BusyResource`] if another task is accepting, [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No connection is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    async fn accept(&self) -> Result<Self::Stream>;

    /// Accepts for ever, and calls the handler for each stream, each in a task of its own. Goes on after connections that
    /// were aborted, and waits when descriptors or memory run out.
    ///
    /// It ends when the scope is cancelled, or when a handler fails: then the others are cancelled. A handler for which
    /// the end of a stream is no failure handles its errors itself.
    ///
    /// # Errors
    /// Those of the handlers, and an error of the listener that makes it useless.
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
        serving::serve(async || self.accept().await, handler).await
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
