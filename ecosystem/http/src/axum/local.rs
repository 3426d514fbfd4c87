//! Handlers that need not be `Send`.

use anyio::OnThread;
use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    handler::Handler,
    response::{IntoResponse, Response},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Makes a handler of axum's of a function that awaits anyio, or holds what is not `Send` while it waits.
///
/// axum demands that the futures of handlers are `Send`, which those of anyio never are, as everything stays on its thread.
/// As there, a function takes up to 16 extractors. State that is not `Send` goes into an [`OnThread`]. Each core makes a router of its own.
///
/// ```
/// use anyio::{OnThread, Result, sleep};
/// use anyio_http::axum::local;
/// use axum::{Router, extract::State, http::StatusCode, routing::get};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// async fn visit(State(visits): State<OnThread<Rc<Cell<u32>>>>) -> std::result::Result<String, StatusCode> {
///     sleep(Duration::from_millis(1)).await.map_err(|_cancelled| StatusCode::SERVICE_UNAVAILABLE)?;
///     visits.set(visits.get() + 1);
///     Ok(format!("visit {}\n", visits.get()))
/// }
///
/// let router: Router = Router::new().route("/", get(local(visit))).with_state(OnThread::new(Rc::default()));
/// ```
pub fn local<F>(handler: F) -> Local<F> {
    Local(handler)
}

/// What [`local`] makes.
#[derive(Clone, Copy)]
pub struct Local<F>(F);

impl<F> fmt::Debug for Local<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// The future of a handler, on its thread.
pub struct LocalFuture(OnThread<Pin<Box<dyn Future<Output = Response>>>>);

impl LocalFuture {
    fn new(future: impl Future<Output = Response> + 'static) -> Self {
        Self(OnThread::new(Box::pin(future)))
    }
}

impl Future for LocalFuture {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for LocalFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFuture").finish_non_exhaustive()
    }
}

impl<F, Fut, S> Handler<((),), S> for Local<F>
where
    F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + 'static,
{
    type Future = LocalFuture;

    fn call(self, _: Request, _: S) -> LocalFuture {
        LocalFuture::new(async move { (self.0)().await.into_response() })
    }
}

macro_rules! handler {
    ($($part:ident)* | $last:ident) => {
        impl<F, Fut, S, M, $($part,)* $last> Handler<(M, $($part,)* $last,), S> for Local<F>
        where
            F: FnOnce($($part,)* $last) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: IntoResponse> + 'static,
            S: Send + Sync + 'static,
            $($part: FromRequestParts<S> + 'static,)*
            $last: FromRequest<S, M> + 'static,
        {
            type Future = LocalFuture;

            #[expect(non_snake_case, reason = "values are named after their types")]
            #[allow(unused_mut, reason = "without parts nothing is taken off the head")]
            fn call(self, request: Request, state: S) -> LocalFuture {
                LocalFuture::new(async move {
                    let (mut head, body) = request.into_parts();
                    $(
                        let $part = match $part::from_request_parts(&mut head, &state).await {
                            Ok(value) => value,
                            Err(rejection) => return rejection.into_response(),
                        };
                    )*
                    let request = Request::from_parts(head, body);
                    let $last = match $last::from_request(request, &state).await {
                        Ok(value) => value,
                        Err(rejection) => return rejection.into_response(),
                    };
                    (self.0)($($part,)* $last).await.into_response()
                })
            }
        }
    };
}

handler!(| A);
handler!(A | B);
handler!(A B | C);
handler!(A B C | D);
handler!(A B C D | E);
handler!(A B C D E | G);
handler!(A B C D E G | H);
handler!(A B C D E G H | I);
handler!(A B C D E G H I | J);
handler!(A B C D E G H I J | K);
handler!(A B C D E G H I J K | L);
handler!(A B C D E G H I J K L | N);
handler!(A B C D E G H I J K L N | O);
handler!(A B C D E G H I J K L N O | P);
handler!(A B C D E G H I J K L N O P | Q);
handler!(A B C D E G H I J K L N O P Q | R);
