//! The handshake.

use super::{options::TlsOptions, session::Session, stream::TlsStream};
use crate::{
    error::Result,
    streams::{AttributeRequest, Attributes, Split},
};
use anyio_driver::Chunk;
use std::{fmt, rc::Rc};

/// The handshake of a TLS connection that is to be made on a stream. [`TlsStream::wrap`] does it in one step; this is for who
/// wants the stream back if it fails, or to go on with it after it was cancelled.
///
/// ```
/// use anyio::{
///     Result, move_on_after,
///     net::TcpStream,
///     streams::tls::{TlsHandshake, TlsOptions, TlsStream},
/// };
/// use std::time::Duration;
///
/// async fn encrypt(stream: TcpStream, options: &TlsOptions) -> Result<TlsStream<TcpStream>> {
///     let mut handshake = TlsHandshake::new(stream, options)?;
///     while move_on_after(Duration::from_secs(1), handshake.run()).await?.is_none() {
///         println!("still waiting for the peer");
///     }
///     Ok(handshake.into_stream().expect("it is done"))
/// }
/// # let _ = encrypt;
/// ```
pub struct TlsHandshake<S: Split> {
    session: Session<S>,
    is_done: bool,
}

impl<S: Split> TlsHandshake<S> {
    /// Prepares the handshake; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) of the kind `InvalidInput` if the configuration of rustls is of no use. The stream is
    /// dropped.
    pub fn new(stream: S, options: &TlsOptions) -> Result<Self> {
        Ok(Self { session: Session::new(stream, options)?, is_done: false })
    }

    /// Does the handshake, or goes on with it. Does nothing once it is done.
    ///
    /// # Errors
    /// [`Error::Tls`](crate::Error::Tls) if one of the sides refuses the other; that is the end of it.
    /// [`Error::BrokenResource`](crate::Error::BrokenResource) if the link was lost or the peer ended it.
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is lost, whether the scope is cancelled or the future dropped: the next call goes on.
    pub async fn run(&mut self) -> Result<()> {
        if !self.is_done {
            self.session.handshake().await?;
            self.is_done = true;
        }
        Ok(())
    }

    /// Waits until the peer has said something, or has gone, which is found out by going on.
    pub(super) async fn first_word(&self) -> Result<()> {
        self.session.first_word().await
    }

    /// The stream, once the handshake is done.
    ///
    /// # Errors
    /// Gives the handshake back if it is not done.
    #[expect(clippy::result_large_err, reason = "the error is the handshake itself")]
    pub fn into_stream(self) -> std::result::Result<TlsStream<S>, Self> {
        if self.is_done { Ok(TlsStream::new(Rc::new(self.session))) } else { Err(self) }
    }

    /// The stream below, in whatever state that is, and what was received and not looked at. `None` in its place if its
    /// halves, which were taken apart, are not accepted as one stream again.
    pub fn into_inner(self) -> (Option<S>, Option<Chunk>) {
        self.session.into_inner()
    }
}

impl<S: Split> TlsStream<S> {
    /// Does the handshake on a stream. It waits for the peer without a limit of its own: put
    /// [`fail_after`](crate::fail_after) around it where the peer is anybody.
    ///
    /// # Errors
    /// [`Error::Tls`](crate::Error::Tls) if one of the sides refuses the other. [`Error::BrokenResource`](crate::Error::BrokenResource)
    /// if the link was lost or the peer ended it. [`Error::Io`](crate::Error::Io) of the kind `InvalidInput` if the configuration of rustls is of no use. [`Error::Cancelled`](crate::Error::Cancelled) if
    /// the scope is cancelled.
    ///
    /// # Cancel safety
    /// The stream is dropped, and so closed, on errors, in a cancelled scope and with the future. [`TlsHandshake`] keeps it.
    pub async fn wrap(stream: S, options: &TlsOptions) -> Result<Self> {
        let mut handshake = TlsHandshake::new(stream, options)?;
        handshake.run().await?;
        Ok(handshake.into_stream().expect("it has run to its end"))
    }
}

/// As those of the [`TlsStream`], as far as the handshake has come.
impl<S: Split> Attributes for TlsHandshake<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.session.provide(request);
    }
}

impl<S: Split> fmt::Debug for TlsHandshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsHandshake").field("is_done", &self.is_done).finish_non_exhaustive()
    }
}
