//! Listeners whose type is not known.

use super::{BoxedByteStream, BoxedFuture};
use crate::{
    error::{Error, Result},
    streams::{AttributeRequest, Attributes, Connections, Listener, Split},
};
use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    rc::Rc,
};

/// What starts a handler whose type is not known.
type AnyHandler<'scope, S> = Rc<dyn Fn(S) -> BoxedFuture<'scope, Result<(), Failed>> + 'scope>;

trait AnyListener<S>: Attributes {
    fn accept(&self) -> BoxedFuture<'_, Result<S>>;
    fn serve_in<'a, 'scope: 'a>(
        &'a self,
        connections: Connections<'scope, 'scope, Failed>,
        handler: AnyHandler<'scope, S>,
    ) -> BoxedFuture<'a, Result<Infallible>>
    where
        S: 'scope;
    fn close(self: Box<Self>) -> BoxedFuture<'static, Result<()>>;
}

impl<L: Listener + Attributes + 'static> AnyListener<L::Stream> for L {
    fn accept(&self) -> BoxedFuture<'_, Result<L::Stream>> {
        Box::pin(Listener::accept(self))
    }

    fn serve_in<'a, 'scope: 'a>(
        &'a self,
        connections: Connections<'scope, 'scope, Failed>,
        handler: AnyHandler<'scope, L::Stream>,
    ) -> BoxedFuture<'a, Result<Infallible>>
    where
        L::Stream: 'scope,
    {
        Box::pin(Listener::serve_in(self, connections, move |stream| handler(stream)))
    }

    fn close(self: Box<Self>) -> BoxedFuture<'static, Result<()>> {
        Box::pin(Listener::close(*self))
    }
}

/// A listener that gives streams of the type `S`, whatever its own type. Each call allocates its future, and so does each
/// call of a handler.
///
/// ```
/// use anyio::{
///     Result,
///     net::{TcpListener, UnixListener},
///     streams::{BoxedListener, ByteSendStream, Listener, MultiListener},
/// };
///
/// # async fn example() -> Result<()> {
/// let listener = MultiListener::new([
///     BoxedListener::of_byte_streams(TcpListener::bind("localhost:7000").await?),
///     BoxedListener::of_byte_streams(UnixListener::bind("/run/server").await?),
/// ]);
/// listener.serve(async |mut stream| -> Result<()> { stream.send("hello").await }).await?;
/// # Ok(()) }
/// ```
pub struct BoxedListener<S>(Box<dyn AnyListener<S>>);

impl<S: 'static> BoxedListener<S> {
    /// Forgets the type of a listener, not that of its streams.
    pub fn new(listener: impl Listener<Stream = S> + Attributes + 'static) -> Self {
        Self(Box::new(listener))
    }
}

impl BoxedListener<BoxedByteStream> {
    /// Forgets the type of a listener, and that of its streams.
    pub fn of_byte_streams<S>(listener: impl Listener<Stream = S> + Attributes + 'static) -> Self
    where
        S: Split + Attributes + 'static,
    {
        Self::new(Boxing(listener))
    }
}

/// Boxes the streams of what it wraps.
struct Boxing<L>(L);

impl<L: Listener<Stream: Split + Attributes + 'static>> Listener for Boxing<L> {
    type Stream = BoxedByteStream;

    async fn accept(&self) -> Result<BoxedByteStream> {
        self.0.accept().await.map(BoxedByteStream::new)
    }

    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(BoxedByteStream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        self.0.serve_in(connections, move |stream| handler(BoxedByteStream::new(stream))).await
    }

    async fn close(self) -> Result<()> {
        self.0.close().await
    }
}

impl<L: Attributes> Attributes for Boxing<L> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.0.provide(request);
    }
}

impl<S: 'static> Listener for BoxedListener<S> {
    type Stream = S;

    async fn accept(&self) -> Result<S> {
        self.0.accept().await
    }

    /// As that of the listener inside.
    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(S) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        let failed = Rc::new(Cell::new(None));
        let places = connections.clone();
        let (left, found) = (failed.clone(), failed);
        let handler: AnyHandler<'scope, S> = Rc::new(move |stream| {
            let (handling, left) = (handler(stream), left.clone());
            Box::pin(async move {
                handling.await.map_err(|error| {
                    left.set(Some(error));
                    Failed::Handler
                })
            })
        });
        let inside = connections.started_by(move |connection| {
            let found = found.clone();
            places.start(|| restore(connection, found));
        });
        self.0.serve_in(inside, handler).await
    }

    async fn close(self) -> Result<()> {
        self.0.close().await
    }
}

super::boxed!([S] BoxedListener);

/// What ended a connection, without the error of its handler, whose type is not known.
enum Failed {
    Listener(Error),
    Handler,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Listener(error)
    }
}

/// Runs a connection, and puts the error of its handler back, which the handler leaves in `left`.
async fn restore<E: From<Error>>(
    mut connection: BoxedFuture<'_, Result<(), Failed>>,
    left: Rc<Cell<Option<E>>>,
) -> Result<(), E> {
    // What listeners do between the error of a handler and the end of its connection may take time, and others fail
    // meanwhile. So each connection keeps what was left during its own polls.
    let mut own = None;
    let result = poll_fn(|cx| {
        let of_others = left.replace(own.take());
        let polled = connection.as_mut().poll(cx);
        own = left.replace(of_others);
        polled
    })
    .await;
    result.map_err(|failed| match failed {
        Failed::Listener(error) => error.into(),
        Failed::Handler => own.unwrap_or_else(|| {
            let text = "a listener gave the error of one handler to the connection of another";
            Error::Io(io::Error::other(text)).into()
        }),
    })
}
