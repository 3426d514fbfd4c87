//! A queue before a service.

use super::local::LocalFuture;
use anyio::{
    Error, OnThread, TaskGroup, foreign,
    streams::memory::{self, SendStream},
};
use http::{Response, StatusCode};
use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};
use tower_service::Service;

type Answering<S, Request> = Result<<S as Service<Request>>::Future, <S as Service<Request>>::Error>;

struct Asked<S: Service<Request>, Request> {
    request: Request,
    reply: SendStream<Answering<S, Request>>,
}

/// A queue before a service, which makes it something to clone, whatever it is: all requests come to the one service, each
/// when it is ready for it.
///
/// It is called in a child of a group. What it answers is awaited by who has asked, so a request that is cancelled is given
/// up, and does not come to the service if it still stands in the queue.
///
/// ```
/// use anyio::{Error, TaskGroup};
/// use anyio_http::tower::Buffer;
/// use http::{Request, Response};
/// use tower_service::Service;
///
/// fn share<'scope, S>(group: &'scope TaskGroup<'scope, '_, Error>, service: S) -> impl Clone + use<S>
/// where
///     S: Service<Request<String>, Response = Response<String>> + 'static,
/// {
///     Buffer::in_group(group, service, 16)
/// }
/// ```
pub struct Buffer<S: Service<Request>, Request> {
    queue: OnThread<SendStream<Asked<S, Request>>>,
}

impl<S: Service<Request>, Request> Buffer<S, Request> {
    /// Puts a queue for this many requests before a service; more wait for room in it. The group does not end before the
    /// last clone of this is dropped, or it is cancelled; then requests are answered by 503.
    pub fn in_group<'scope, E>(
        group: &'scope TaskGroup<'scope, '_, E>,
        mut service: S,
        capacity: usize,
    ) -> Self
    where
        S: 'static,
        Request: 'static,
        E: From<Error> + 'scope,
    {
        let (queue, asked) = memory::channel::<Asked<S, Request>>(capacity);
        group.start_soon(async move {
            while let Some(Asked { request, reply }) = asked.receive().await? {
                let is_given_up = || reply.statistics().open_receive_streams == 0;
                if is_given_up() {
                    continue;
                }
                let ready = foreign(poll_fn(|cx| service.poll_ready(cx))).await.map_err(Error::from)?;
                // The service stays ready for the next.
                if is_given_up() {
                    continue;
                }
                drop(reply.send_nowait(ready.map(|()| service.call(request))));
            }
            Ok::<_, E>(())
        });
        Self { queue: OnThread::new(queue) }
    }
}

impl<S: Service<Request>, Request> Clone for Buffer<S, Request> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<S: Service<Request>, Request> fmt::Debug for Buffer<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").finish_non_exhaustive()
    }
}

impl<S, Request, B> Service<Request> for Buffer<S, Request>
where
    S: Service<Request, Response = Response<B>> + 'static,
    Request: 'static,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = LocalFuture<Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let queue = SendStream::clone(&self.queue);
        LocalFuture::new(async move {
            let (reply, replied) = memory::channel(1);
            let answering = match queue.send(Asked { request, reply }).await {
                Ok(()) => replied.receive().await,
                Err(error) => Err(error),
            };
            match answering {
                Ok(Some(answering)) => answering?.await,
                // The group is over, or this request is cancelled.
                Ok(None) | Err(_) => {
                    let mut answer = Response::new(B::default());
                    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    Ok(answer)
                }
            }
        })
    }
}
