//! Asking.

mod body;
mod connecting;
mod credentials;
mod error;
mod link;
pub mod multipart;
mod options;
mod proxies;
mod redirect;
mod request;
mod response;
mod response_body;
mod route;
#[cfg(not(feature = "tls"))]
#[path = "client/no_tls.rs"]
mod tls;
#[cfg(feature = "tls")]
mod tls;
mod tunnel;
mod versions;

pub use body::ClientBody;
pub use error::{ClientError, ClientErrorKind};
pub use options::ClientOptions;
pub use proxies::Proxies;
pub use request::ClientRequest;
pub use response::ClientResponse;
pub use response_body::ResponseBody;

use self::{connecting::Connector, options::Settings};
use crate::LocalExecutor;
use anyio::{
    CancelAware, Error, TaskGroup, current_time, fail_at, foreign, lowlevel::checkpoint_if_cancelled,
};
use http::{Method, Request, Response, header::PROXY_AUTHORIZATION};
use hyper_util::client::legacy;
use std::{fmt, rc::Rc};
use tower_service::Service;
use url::Url;

type Pool = legacy::Client<Connector, ClientBody>;

/// What takes the encoding off the bodies of answers, around the pool.
#[cfg(any(feature = "compression", feature = "zstd"))]
type Decoding = tower_http::decompression::Decompression<Pool>;
#[cfg(not(any(feature = "compression", feature = "zstd")))]
type Decoding = Pool;

/// Sends requests over HTTP/1.1 and HTTP/2, on connections that are kept and used again.
///
/// **The connections are children of a task group**: [`run`](Self::run) makes one around what uses the client, and
/// [`in_group`](Self::in_group) takes one that is there. So none of them outlives it. A client is cheap to clone, and its
/// clones share the connections. [`ClientOptions`] are what can be chosen about it.
///
/// **A request is cancelled by its scope**, such as that of [`fail_after`](anyio::fail_after) around whatever part of it is
/// to take no longer. What was not read to its end is not used for another request: over HTTP/1.1 its connection is closed,
/// over HTTP/2 its stream is reset.
///
/// Over TLS (feature `tls`) both sides choose HTTP/2 if they can. Up to ten redirects are followed. The environment names
/// proxies ([`Proxies`]). With the feature `compression` answers may be compressed, and are read as if they were not.
///
/// ```
/// use anyio::{Result, net::TcpListener, task_group};
/// use anyio_http::{Client, Server};
/// use http::Response;
///
/// # anyio::run(async || -> Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let url = format!("http://{}/", listener.local_addr()?);
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         Server::new().serve(&listener, async |_request| anyio::Ok(Response::new("hello".to_owned()))).await
///     });
///     let text = Client::run(async |client| client.get(&url).send().await?.text().await).await?;
///     assert_eq!(text, "hello");
///     tg.cancel();
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Client {
    decoding: Decoding,
    executor: LocalExecutor,
    settings: Rc<Settings>,
}

impl Client {
    /// Makes a client with the default options, runs a body with it, and ends when the connections are closed.
    ///
    /// # Errors
    /// Those of the body.
    ///
    /// # Cancel safety
    /// The body is cancelled and awaited, and the connections with it.
    ///
    /// # Panics
    /// If the body does, or the body of a request.
    pub async fn run<T, E, Via>(body: impl AsyncFnOnce(&Client) -> Result<T, E>) -> Result<T, E>
    where
        E: CancelAware<Via> + From<Error>,
    {
        ClientOptions::new().run(body).await
    }

    /// A client with the default options, whose connections are children of this group. The group does not end before the
    /// last clone of the client is dropped, or it is cancelled.
    ///
    /// ```
    /// use anyio::{Result, task_group};
    /// use anyio_http::Client;
    ///
    /// async fn fetch_all(urls: &[&str]) -> Result<()> {
    ///     task_group(async |tg| -> Result<()> {
    ///         let client = Client::in_group(tg);
    ///         for url in urls {
    ///             let client = client.clone();
    ///             tg.start_soon(async move {
    ///                 println!("{url}: {} bytes", client.get(url).send().await?.bytes().await?.len());
    ///                 anyio::Ok(())
    ///             });
    ///         }
    ///         Ok(())
    ///     })
    ///     .await?;
    ///     Ok(())
    /// }
    /// # let _ = fetch_all;
    /// ```
    pub fn in_group<'scope, E: From<Error> + 'scope>(group: &'scope TaskGroup<'scope, '_, E>) -> Self {
        ClientOptions::new().in_group(group)
    }

    fn new(pool: Pool, executor: LocalExecutor, settings: Settings) -> Self {
        Self { decoding: decoding(pool, &settings), executor, settings: Rc::new(settings) }
    }

    /// Where the connections are started: what else is started here is a child of the same group.
    pub fn executor(&self) -> &LocalExecutor {
        &self.executor
    }

    /// Begins a `GET`.
    pub fn get(&self, url: impl AsRef<str>) -> ClientRequest<'_> {
        self.request(Method::GET, url)
    }

    /// Begins a `HEAD`.
    pub fn head(&self, url: impl AsRef<str>) -> ClientRequest<'_> {
        self.request(Method::HEAD, url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: impl AsRef<str>) -> ClientRequest<'_> {
        self.request(Method::POST, url)
    }

    /// Begins a `PUT`.
    pub fn put(&self, url: impl AsRef<str>) -> ClientRequest<'_> {
        self.request(Method::PUT, url)
    }

    /// Begins a `PATCH`.
    pub fn patch(&self, url: impl AsRef<str>) -> ClientRequest<'_> {
        self.request(Method::PATCH, url)
    }

    /// Begins a `DELETE`.
    pub fn delete(&self, url: impl AsRef<str>) -> ClientRequest<'_> {
        self.request(Method::DELETE, url)
    }

    /// Begins a request. What is wrong with the URL is told when it is [sent](ClientRequest::send).
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> ClientRequest<'_> {
        ClientRequest::new(self, method, url.as_ref())
    }

    /// Sends a request of the crate `http` as it is, and gives what comes back: no header is added but what the connection
    /// needs, no redirect is followed. Of the options those of the connections and the limits of time and of bytes hold.
    ///
    /// # Errors
    /// See [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// The request is given up.
    pub async fn execute(&self, request: Request<ClientBody>) -> Result<Response<ResponseBody>, ClientError> {
        let url = Url::parse(&request.uri().to_string());
        let url = url.map_err(|error| ClientError::of_source(ClientErrorKind::Request, error))?;
        let settings = &*self.settings;
        let deadline = settings.timeout.and_then(|limit| current_time().checked_add(limit));
        let answered = fail_at(deadline, self.exchange(request, &url)).await;
        let answer = answered.map_err(|error| error.at(&url))?;
        Ok(answer.map(|body| ResponseBody::new(body, deadline, settings.max_body_bytes, url)))
    }

    /// Sends one request, and gives what comes back, also if that is a redirect.
    async fn exchange(
        &self,
        mut request: Request<ClientBody>,
        url: &Url,
    ) -> Result<Response<response_body::Decoded>, ClientError> {
        if url.scheme() == "http"
            && let Some(authorization) = self.settings.proxies.authorization(request.uri())
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        let mut decoding = self.decoding.clone();
        match foreign(decoding.call(request)).await {
            Err(cancelled) => Err(cancelled.into()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                // The connection may be cancelled as well, which is no other error.
                checkpoint_if_cancelled().await?;
                let is_connecting = error.is_connect();
                let kind = if is_connecting { ClientErrorKind::Connect } else { ClientErrorKind::Transfer };
                Err(ClientError::of_source(kind, error))
            }
        }
    }
}

#[cfg(any(feature = "compression", feature = "zstd"))]
fn decoding(pool: Pool, settings: &Settings) -> Decoding {
    let decoding = tower_http::decompression::Decompression::new(pool);
    if settings.decompress {
        return decoding;
    }
    decoding.no_gzip().no_deflate().no_br().no_zstd()
}

#[cfg(not(any(feature = "compression", feature = "zstd")))]
fn decoding(pool: Pool, _: &Settings) -> Decoding {
    pool
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}
