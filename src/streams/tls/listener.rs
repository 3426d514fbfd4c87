//! Accepting TLS connections.

use super::{attribute::StandardCompatible, handshake::TlsHandshake, options::TlsOptions, stream::TlsStream};
use crate::{
    error::{Error, Result},
    scope::{fail_after, idle},
    streams::{AttributeRequest, Attributes, Connections, Listener, Split},
};
use rustls::ServerConfig;
use std::{convert::Infallible, fmt, future::Future, rc::Rc, sync::Arc, time::Duration};

/// How long a handshake may take, unless another time is set.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

type OnHandshakeError = dyn Fn(&Error, &dyn Attributes);

/// Accepts connections of another listener and does the server's side of the TLS handshake on them.
///
/// While it [serves](Listener::serve), each handshake is done in the task of its connection, and within a limit, so a client
/// that says nothing holds nobody up. One that fails ends its connection and nothing else. When the scope is told to
/// [finish](crate::Scope::finish), clients that have said nothing yet are disconnected, and handshakes that have begun go on.
///
/// ```
/// use anyio::{
///     Result,
///     net::TcpListener,
///     streams::{Listener, tls::{ReloadingCertificate, TlsListener}},
/// };
///
/// async fn serve() -> Result<()> {
///     let certificate = ReloadingCertificate::load("certificate.pem", "key.pem").await?;
///     let config = certificate.server_config()?;
///     let listener = TlsListener::new(TcpListener::bind("0.0.0.0:4433").await?, config);
///     listener.serve(async |stream| -> Result<()> {
///         stream.send("hello").await?;
///         stream.close().await
///     }).await?;
///     Ok(())
/// }
/// # let _ = serve;
/// ```
pub struct TlsListener<L> {
    listener: L,
    handshaking: Rc<Handshaking>,
}

/// How handshakes are done.
#[derive(Clone)]
struct Handshaking {
    options: TlsOptions,
    limit: Duration,
    on_error: Option<Rc<OnHandshakeError>>,
}

impl<L> TlsListener<L> {
    /// Accepts from this listener.
    pub fn new(listener: L, config: impl Into<Arc<ServerConfig>>) -> Self {
        let options = TlsOptions::server(config);
        let handshaking = Handshaking { options, limit: HANDSHAKE_LIMIT, on_error: None };
        Self { listener, handshaking: Rc::new(handshaking) }
    }

    /// How long a handshake may take; 30 seconds by default.
    #[must_use]
    pub fn handshake_limit(mut self, limit: Duration) -> Self {
        Rc::make_mut(&mut self.handshaking).limit = limit;
        self
    }

    /// See [`TlsOptions::standard_compatible`].
    #[must_use]
    pub fn standard_compatible(mut self, is_compatible: bool) -> Self {
        let handshaking = Rc::make_mut(&mut self.handshaking);
        handshaking.options = handshaking.options.clone().standard_compatible(is_compatible);
        self
    }

    /// See [`TlsOptions::answer_limit`].
    #[must_use]
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        let handshaking = Rc::make_mut(&mut self.handshaking);
        handshaking.options = handshaking.options.clone().answer_limit(limit);
        self
    }

    /// What to do about a handshake that fails while this [serves](Listener::serve), by [`Error::TimedOut`] if it took too
    /// long. By default it is logged, at the level debug. The connection is closed afterwards; till then it can be asked for
    /// attributes, such as the address of the client. Cancellations are not shown.
    #[must_use]
    pub fn on_handshake_error(mut self, on_error: impl Fn(&Error, &dyn Attributes) + 'static) -> Self {
        Rc::make_mut(&mut self.handshaking).on_error = Some(Rc::new(on_error));
        self
    }

    /// The listener within.
    pub fn get_ref(&self) -> &L {
        &self.listener
    }

    /// The listener within.
    pub fn into_inner(self) -> L {
        self.listener
    }
}

impl Handshaking {
    async fn run<S: Split>(&self, handshake: &mut TlsHandshake<S>) -> Result<()> {
        fail_after(self.limit, async {
            // A client that has said nothing has begun nothing.
            idle(handshake.first_word()).await?;
            handshake.run().await
        })
        .await
    }

    /// Does the handshake. `None` if it failed, and that was told.
    async fn accept<S: Split>(&self, stream: S) -> Result<Option<TlsStream<S>>> {
        let mut handshake = TlsHandshake::new(stream, &self.options)?;
        match self.run(&mut handshake).await {
            Ok(()) => Ok(handshake.into_stream().ok()),
            Err(Error::Cancelled(cancelled)) => Err(cancelled.into()),
            Err(Error::Finishing) => Ok(None),
            Err(error) => {
                match &self.on_error {
                    Some(on_error) => on_error(&error, &handshake),
                    None => log::debug!("a TLS handshake failed: {error}"),
                }
                Ok(None)
            }
        }
    }
}

impl<L: Listener<Stream: Split + 'static>> Listener for TlsListener<L> {
    type Stream = TlsStream<L::Stream>;

    /// Accepts one connection and does its handshake. A client that says nothing holds others up, for the time of the limit
    /// at most; [`serve`](Listener::serve) does better.
    ///
    /// # Errors
    /// Those of the listener within, and those of the handshake, which [concern one
    /// connection](Error::concerns_one_connection): the next call accepts the next one.
    ///
    /// # Cancel safety
    /// A connection whose handshake has begun is closed if that is cancelled or dropped. No other is lost.
    async fn accept(&self) -> Result<Self::Stream> {
        self.handshaking.options.check_early_data()?;
        let stream = self.listener.accept().await?;
        let mut handshake = TlsHandshake::new(stream, &self.handshaking.options)?;
        self.handshaking.run(&mut handshake).await?;
        Ok(handshake.into_stream().expect("it has run to its end"))
    }

    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(Self::Stream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        // In place of with each connection.
        self.handshaking.options.check()?;
        let handshaking = self.handshaking.clone();
        let handle = move |stream| {
            let (handshaking, handler) = (handshaking.clone(), handler.clone());
            async move {
                match handshaking.accept(stream).await? {
                    Some(stream) => handler(stream).await,
                    None => Ok(()),
                }
            }
        };
        self.listener.serve_in(connections, handle).await
    }

    async fn close(self) -> Result<()> {
        self.listener.close().await
    }
}

/// [`StandardCompatible`], and those of the listener within.
impl<L: Attributes> Attributes for TlsListener<L> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide::<StandardCompatible>(|| self.handshaking.options.is_standard_compatible());
        self.listener.provide(request);
    }
}

impl<L: fmt::Debug> fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("listener", &self.listener)
            .field("handshake_limit", &self.handshaking.limit)
            .finish_non_exhaustive()
    }
}
