//! What services of tower's learn of connections.

use crate::RequestBody;
use http::Request;
use std::task::{Context, Poll};
use tower_service::Service;

/// Puts the [`ConnectionInfo`](crate::ConnectionInfo) of each request among its extensions, for a service that does not see
/// the [`RequestBody`], such as a router of axum's. There it is an extractor.
///
/// ```
/// use anyio_http::{ConnectionInfo, tower, tower::with_connection_info};
/// use axum::{Router, routing::get};
///
/// let router: Router = Router::new()
///     .route("/", get(async |connection: ConnectionInfo| format!("{:?}", connection.peer_address())));
/// let handler = tower(with_connection_info(router));
/// # let _ = handler;
/// ```
pub fn with_connection_info<S>(service: S) -> WithConnectionInfo<S> {
    WithConnectionInfo(service)
}

/// What [`with_connection_info`] makes.
#[derive(Debug, Clone, Copy)]
pub struct WithConnectionInfo<S>(S);

impl<S: Service<Request<RequestBody>>> Service<Request<RequestBody>> for WithConnectionInfo<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> S::Future {
        let connection = request.body().connection().clone();
        request.extensions_mut().insert(connection);
        self.0.call(request)
    }
}
