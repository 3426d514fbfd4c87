//! The two directions of a stream as two streams.

use super::{Attributes, ByteReceiveStream, ByteSendStream, ByteStream};
use crate::error::Result;

/// A stream of bytes whose directions can go to different tasks, each as a stream of its own.
///
/// What receives and sends at the same time, as TLS and HTTP do, takes streams of this kind. A stream that others put
/// together out of two has its halves anyway, and any two such halves make a [`StapledByteStream`](super::StapledByteStream).
///
/// ```
/// use anyio::{
///     Result,
///     streams::{ByteReceiveStream, ByteSendStream, Split},
///     task_group,
/// };
///
/// /// Sends back what comes, and goes on receiving while it sends.
/// async fn echo(stream: impl Split) -> Result<()> {
///     let (mut receive, mut send) = stream.split();
///     let (queue, mut queued) = anyio::streams::memory::channel(16);
///     task_group(async |tg| -> Result<()> {
///         tg.start_soon(async move {
///             while let Some(chunk) = queued.receive().await? {
///                 send.send(chunk).await?;
///             }
///             send.send_eof().await
///         });
///         while let Some(chunk) = receive.receive().await? {
///             queue.send(chunk).await?;
///         }
///         drop(queue);
///         Ok(())
///     })
///     .await?;
///     Ok(())
/// }
/// # anyio::run(async || -> Result<()> {
/// let (client, server) = anyio::net::UnixStream::pair()?;
/// client.send("hello").await?;
/// client.send_eof().await?;
/// echo(server).await?;
/// assert_eq!(client.receive().await?.unwrap(), "hello");
/// assert!(client.receive().await?.is_none());
/// # Ok(()) }).unwrap();
/// ```
pub trait Split: ByteStream + Sized {
    /// What bytes come from.
    type Receive: ByteReceiveStream + Attributes + 'static;
    /// What bytes go to. Dropping it says that nothing more will be sent, at least where
    /// [`send_eof`](ByteSendStream::send_eof) does without a word of the stream's own.
    type Send: ByteSendStream + Attributes + 'static;

    /// Takes the directions apart.
    fn split(self) -> (Self::Receive, Self::Send);

    /// Puts the halves together again.
    ///
    /// # Errors
    /// The two halves, if they are of different streams.
    fn reunite(receive: Self::Receive, send: Self::Send) -> Result<Self, (Self::Receive, Self::Send)>;
}
