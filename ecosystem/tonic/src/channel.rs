//! Calling.

mod body;

use self::body::{Answer, Question};
use crate::{
    call::{Asking, Call},
    deadline::{GRPC_TIMEOUT, Malformed, of_time_limit, time_limit},
    status::{cancelled, deadline_exceeded, of_error},
};
use anyio::{
    CancelAware, CancelScope, Error, OnThread, ReasonKind, Result, TaskGroup, current_cancel_reason,
    current_effective_deadline, current_time, lowlevel::checkpoint_if_cancelled,
};
use anyio_http::{Client, ClientBody, ClientOptions};
use http::{HeaderValue, Request, Response, Uri, header::USER_AGENT, uri::PathAndQuery};
use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};
use tonic::Status;
use tower_service::Service;

/// What generated clients speak through: a connection to a server, which is made when it is first needed, and again when it
/// was lost.
///
/// **Its connections are children of a task group**: [`run`](Self::run) makes one around what uses the channel, and
/// [`in_group`](Self::in_group) takes one that is there. It is cheap to clone, and its clones share the connection.
///
/// **A call is cancelled by its scope**: it is then reset, and the server learns of it. The deadline of the scopes around
/// it, and that of [`Request::set_timeout`](tonic::Request::set_timeout), whichever is earlier, is told to the server, and
/// when it has passed, the call ends by [`Code::DeadlineExceeded`](tonic::Code::DeadlineExceeded). (The one of a scope is a
/// cancellation as well, which the scope absorbs.) Streams of messages end in the same way.
///
/// If a call is given up when its answer has begun, while its own messages wait for a server that reads none, that server
/// may learn of it only by the deadline, or when it reads on.
///
/// ```
/// use anyio::Result;
/// use anyio_tonic::{Channel, OrError};
/// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
///
/// async fn is_serving(server: &str) -> Result<bool> {
///     Channel::run(server, async |channel| {
///         let mut client = HealthClient::new(channel.clone());
///         let answer = client.check(HealthCheckRequest::default()).await.or_error()?;
///         Ok(answer.into_inner().status == 1)
///     })
///     .await
/// }
/// # let _ = is_serving;
/// ```
///
/// # Panics
/// On another thread. (A channel says that it is `Send`, as it is kept where that is demanded.)
#[derive(Clone)]
pub struct Channel(OnThread<Rc<Inner>>);

struct Inner {
    client: Client,
    /// The scheme and the authority of the server, and a path before that of each method.
    server: Uri,
}

impl Channel {
    /// A channel to this server by a client with options of its own. It has to speak HTTP/2
    /// ([`only_http2`](ClientOptions::only_http2)).
    ///
    /// ```
    /// use anyio::{Result, net::UnixConnectable, task_group};
    /// use anyio_http::ClientOptions;
    /// use anyio_tonic::Channel;
    ///
    /// async fn use_socket() -> Result<()> {
    ///     task_group(async |tg| -> Result<()> {
    ///         let options = ClientOptions::new().only_http2(true).connect_to(UnixConnectable::new("/run/greeter"));
    ///         let channel = Channel::new(options.in_group(tg), "http://greeter")?;
    ///         // …
    ///         # drop(channel);
    ///         Ok(())
    ///     })
    ///     .await?;
    ///     Ok(())
    /// }
    /// # let _ = use_socket;
    /// ```
    ///
    /// # Errors
    /// If the server's URI has no scheme or no authority.
    pub fn new(client: Client, server: impl AsRef<str>) -> Result<Self> {
        let text = server.as_ref();
        let server = Uri::try_from(text).map_err(|error| invalid(format!("{text:?}: {error}")))?;
        if server.scheme().is_none() || server.authority().is_none() {
            return Err(invalid(format!("{text:?} has no scheme, such as http, or no host")));
        }
        Ok(Self(OnThread::new(Rc::new(Inner { client, server }))))
    }

    /// A channel to this server whose connections are children of this group. The group does not end before the last clone
    /// of the channel is dropped, or it is cancelled.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn in_group<'scope, E: From<Error> + 'scope>(
        group: &'scope TaskGroup<'scope, '_, E>,
        server: impl AsRef<str>,
    ) -> Result<Self> {
        Self::new(options().in_group(group), server)
    }

    /// Makes a channel to this server, runs a body with it, and ends when the connections are closed.
    ///
    /// # Errors
    /// Those of the body, and those of [`new`](Self::new).
    ///
    /// # Cancel safety
    /// The body is cancelled and awaited, and the connections with it.
    ///
    /// # Panics
    /// If the body does, or what sends the messages of a call.
    pub async fn run<T, E, Via>(
        server: impl AsRef<str>,
        body: impl AsyncFnOnce(&Channel) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: CancelAware<Via> + From<Error>,
    {
        options().run(async |client| body(&Self::new(client.clone(), server)?).await).await
    }
}

fn options() -> ClientOptions {
    ClientOptions::new().only_http2(true)
}

fn invalid(what: String) -> Error {
    io::Error::new(io::ErrorKind::InvalidInput, what).into()
}

impl Inner {
    /// The URI of a method.
    fn uri(&self, method: &Uri) -> Result<Uri, Status> {
        let before = self.server.path().trim_end_matches('/');
        let path = method.path_and_query().map_or("/", PathAndQuery::as_str);
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = Some(if before.is_empty() {
            PathAndQuery::try_from(path).map_err(of_error)?
        } else {
            PathAndQuery::try_from(format!("{before}{path}")).map_err(of_error)?
        });
        Uri::from_parts(parts).map_err(of_error)
    }

    async fn call(
        &self,
        mut request: Request<tonic::body::Body>,
    ) -> Result<Response<tonic::body::Body>, Status> {
        let limits = Limits::of(&mut request)?;
        let (mut head, body) = request.into_parts();
        head.uri = self.uri(&head.uri)?;
        head.headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!("anyio-tonic/", env!("CARGO_PKG_VERSION"))));
        let call = Call::of_client(self.client.executor().clone());
        let body = Question::new(body, call.clone());
        let asking = Asking(call);
        let request = Request::from_parts(head, ClientBody::new(body));
        let scope = CancelScope::new();
        scope.set_deadline(limits.of_call);
        let answered = scope.run(async || self.client.execute(request).await).await;
        match answered {
            Ok(Some(answer)) => Ok(answer.map(|body| Answer::new(body, asking, limits).into_body())),
            Ok(None) => Err(deadline_exceeded()),
            Err(error) if error.is_cancelled() => Err(cancelled(error, limits.scope_has_ended())),
            Err(error) => Err(asking.0.failure().unwrap_or_else(|| of_error(error))),
        }
    }
}

/// When a call has to be over.
#[derive(Clone, Copy)]
struct Limits {
    /// As the request says.
    of_call: Option<Instant>,
    /// By the scopes around it.
    of_scope: Option<Instant>,
}

impl Limits {
    /// Those of a request, which tells them to the server from now on.
    fn of(request: &mut Request<tonic::body::Body>) -> Result<Self, Status> {
        let limit = time_limit(request.headers())
            .map_err(|Malformed| Status::invalid_argument("the grpc-timeout of the request is malformed"))?;
        let now = current_time();
        // In a cancelled scope the call will say so.
        let of_scope = current_effective_deadline().unwrap_or(None);
        let of_call = limit.and_then(|limit| now.checked_add(limit));
        if let Some(at) = of_scope
            && of_call.is_none_or(|of_call| at < of_call)
        {
            let left = of_time_limit(at.saturating_duration_since(now));
            match left {
                Some(left) => request.headers_mut().insert(GRPC_TIMEOUT, left),
                None => request.headers_mut().remove(GRPC_TIMEOUT),
            };
        }
        Ok(Self { of_call, of_scope })
    }

    /// Whether the call has to be over now, as the request says.
    fn call_has_ended(&self) -> bool {
        self.of_call.is_some_and(|at| at <= current_time())
    }

    /// Whether the deadline of a scope is why that is cancelled.
    fn scope_has_ended(&self) -> bool {
        self.of_scope.is_some_and(|at| at <= current_time())
    }
}

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<tonic::body::Body>;
    type Error = Status;
    type Future = OnThread<Pin<Box<dyn Future<Output = Result<Self::Response, Status>>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let inner = Rc::clone(&self.0);
        OnThread::new(Box::pin(async move {
            if let Err(error) = checkpoint_if_cancelled().await {
                let reason = current_cancel_reason().map(|reason| reason.kind());
                return Err(cancelled(error, reason == Some(ReasonKind::Deadline)));
            }
            inner.call(request).await
        }))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("server", &self.0.server).finish_non_exhaustive()
    }
}
