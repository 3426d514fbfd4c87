//! Listeners whose type is not known.

use super::{BoxedByteStream, BoxedFuture};
use crate::{
    error::{CancelAware, Cancelled, Error, ErrorGroup, Result},
    streams::{AttributeRequest, Attributes, Listener, Split},
};
use std::{cell::RefCell, convert::Infallible, error::Error as StdError, fmt};

/// A handler whose type is not known.
type AnyHandler<'a, S> = &'a dyn Fn(S) -> BoxedFuture<'a, Result<(), Failed>>;

type Served = Result<Option<Infallible>, ErrorGroup<Failed>>;

trait AnyListener<S>: Attributes {
    fn accept(&self) -> BoxedFuture<'_, Result<S>>;
    fn serve<'a>(&'a self, handler: AnyHandler<'a, S>) -> BoxedFuture<'a, Served>;
    fn close(self: Box<Self>) -> BoxedFuture<'static, Result<()>>;
}

impl<L: Listener + Attributes + 'static> AnyListener<L::Stream> for L {
    fn accept(&self) -> BoxedFuture<'_, Result<L::Stream>> {
        Box::pin(Listener::accept(self))
    }

    fn serve<'a>(&'a self, handler: AnyHandler<'a, L::Stream>) -> BoxedFuture<'a, Served> {
        Box::pin(Listener::serve(self, async move |stream| handler(stream).await))
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

    async fn serve<E, Via>(
        &self,
        handler: impl AsyncFn(BoxedByteStream) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        E: CancelAware<Via> + From<Error>,
    {
        self.0.serve(async |stream| handler(BoxedByteStream::new(stream)).await).await
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
    async fn serve<E, Via>(
        &self,
        handler: impl AsyncFn(S) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        E: CancelAware<Via> + From<Error>,
    {
        // The errors of handlers stay here, and numbers travel in their place.
        let errors = RefCell::new(Vec::new());
        let (handler, kept) = (&handler, &errors);
        let call = |stream| -> BoxedFuture<'_, Result<(), Failed>> {
            Box::pin(async move {
                handler(stream).await.map_err(|error| {
                    let cancelled = error.is_cancelled().then(Cancelled::new);
                    let mut kept = kept.borrow_mut();
                    kept.push(Some(error));
                    Failed::Handler { number: kept.len() - 1, cancelled }
                })
            })
        };
        let served = self.0.serve(&call).await;
        served.map_err(|group| {
            group.map(|failed| match failed {
                Failed::Listener(error) => error.into(),
                Failed::Handler { number, .. } => {
                    errors.borrow_mut()[number].take().expect("each error is told once")
                }
            })
        })
    }

    async fn close(self) -> Result<()> {
        self.0.close().await
    }
}

super::boxed!([S] BoxedListener);

/// What failed while serving.
#[derive(Debug)]
enum Failed {
    Listener(Error),
    /// A handler, with the error of this number.
    Handler {
        number: usize,
        cancelled: Option<Cancelled>,
    },
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Listener(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(error) => error.fmt(f),
            Self::Handler { .. } => f.write_str("a handler failed"),
        }
    }
}

impl StdError for Failed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Listener(error) => Some(error),
            Self::Handler { cancelled, .. } => cancelled.as_ref().map(|cancelled| cancelled as _),
        }
    }
}
