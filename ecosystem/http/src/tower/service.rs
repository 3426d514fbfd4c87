//! Services and layers of tower's.

use crate::{BoxError, RequestBody};
use anyio::foreign;
use http::{Request, Response};
use std::future::poll_fn;
use tower_service::Service;

/// Makes a handler for [`Server::serve`](crate::Server::serve) of a service of tower's, such as a router of axum's. Each
/// request is handled by a clone of it, once that is ready. A request that is cancelled does not wait for that.
///
/// ```
/// use anyio_http::{RequestBody, Server, tower};
/// use http::{Request, Response};
///
/// async fn serve<S>(service: S) -> anyio::Result<()>
/// where
///     S: tower_service::Service<Request<RequestBody>, Response = Response<String>, Error = anyio::Error> + Clone,
/// {
///     let listener = anyio::net::TcpListener::bind("127.0.0.1:8080").await?;
///     Server::new().serve(&listener, tower(service)).await?;
///     Ok(())
/// }
/// ```
pub fn tower<S, B>(service: S) -> impl AsyncFn(Request<RequestBody>) -> Result<Response<B>, BoxError>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>> + Clone,
{
    async move |request| {
        let mut service = service.clone();
        foreign(poll_fn(|cx| service.poll_ready(cx))).await?.map_err(Into::into)?;
        service.call(request).await.map_err(Into::into)
    }
}
