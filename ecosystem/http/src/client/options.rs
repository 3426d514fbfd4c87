//! What can be chosen about a client.

use super::{
    Client, Pool,
    connecting::{Connecting, Connector},
    proxies::{Proxies, ProxyChoice},
    route::{ByTcp, Reach, ToOne},
    tls::Trust,
    versions::Versions,
};
use crate::{HyperTimer, LocalExecutor};
use anyio::{
    CancelAware, Error, TaskGroup, current_time,
    streams::{Connectable, Split},
    task_group,
};
use http::{HeaderValue, header::InvalidHeaderValue};
use hyper_util::client::legacy;
use std::{fmt, rc::Rc, time::Duration};

/// How long connections may take to say good-bye when a client ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What can be chosen about a [`Client`].
///
/// ```
/// use anyio::Result;
/// use anyio_http::ClientOptions;
/// use std::time::Duration;
///
/// async fn fetch(url: &str) -> Result<String> {
///     let options = ClientOptions::new().timeout(Duration::from_secs(30)).redirects(0).user_agent("example/1.0");
///     options.run(async |client| Ok(client.get(url).send().await?.error_for_status()?.text().await?)).await
/// }
/// # let _ = fetch;
/// ```
#[must_use = "options do nothing by themselves"]
pub struct ClientOptions {
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    max_idle_per_host: usize,
    redirects: usize,
    user_agent: String,
    max_body_bytes: Option<u64>,
    decompress: bool,
    proxies: Proxies,
    trust: Trust,
    keep_alive: Option<(Duration, Duration)>,
    reach: Box<dyn Reach>,
}

impl ClientOptions {
    /// The default options.
    pub fn new() -> Self {
        Self {
            timeout: None,
            connect_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(90)),
            max_idle_per_host: usize::MAX,
            redirects: 10,
            user_agent: concat!("anyio-http/", env!("CARGO_PKG_VERSION")).into(),
            max_body_bytes: None,
            decompress: true,
            proxies: Proxies::from_environment(),
            trust: Trust::default(),
            keep_alive: None,
            reach: Box::new(ByTcp),
        }
    }

    /// How long a request may take, redirects and the body of the answer with it. By default there is no limit: put
    /// [`fail_after`](anyio::fail_after) around whatever is to take no longer.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeout = limit.into();
        self
    }

    /// How long connecting may take, with the name service, a proxy and TLS; 30 seconds by default, `None` for ever.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = limit.into();
        self
    }

    /// How long a connection is kept that nobody uses; 90 seconds by default, `None` for ever.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = limit.into();
        self
    }

    /// How many connections to each server are kept that nobody uses. By default all of them are.
    pub fn max_idle_per_host(mut self, limit: usize) -> Self {
        self.max_idle_per_host = limit;
        self
    }

    /// How many redirects of one request are followed; 10 by default. One more is an
    /// [error](crate::ClientErrorKind::TooManyRedirects). With 0 none are, and a redirect is an answer like any other.
    ///
    /// A `POST` becomes a `GET` by 301 and 302, and everything but `HEAD` by 303. Other bodies are sent again; one that is a
    /// stream cannot be, and then the redirect itself is the answer. What is secret among the headers (`Authorization`,
    /// `Cookie`) is not sent to another server.
    pub fn redirects(mut self, limit: usize) -> Self {
        self.redirects = limit;
        self
    }

    /// What the client calls itself, unless a request has a header `User-Agent` of its own. A name that cannot be one is told by
    /// each request that has none.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// How many bytes the body of an answer may have, once it is decompressed. More are an
    /// [error](crate::ClientErrorKind::TooLarge). By default there is no limit.
    pub fn max_body_bytes(mut self, limit: u64) -> Self {
        self.max_body_bytes = Some(limit);
        self
    }

    /// Whether to ask for compressed answers, and to decompress them; true by default with the feature `compression` or
    /// `zstd`, without which this does nothing. A request with a header `Accept-Encoding` of its own asks for that.
    pub fn decompress(mut self, on: bool) -> Self {
        self.decompress = on;
        self
    }

    /// By which proxies requests go; by default those of the [environment](Proxies::from_environment).
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Whom to trust over TLS, and who the client is; by default that of
    /// [`client_config`](anyio::streams::tls::client_config). Its protocols (ALPN) are set by the client.
    #[cfg(feature = "tls")]
    pub fn tls(
        mut self,
        config: impl Into<std::sync::Arc<anyio::streams::tls::rustls::ClientConfig>>,
    ) -> Self {
        self.trust.given = Some(config.into());
        self
    }

    /// Whether nothing but HTTP/1.1 is spoken, also where both sides could choose by TLS; false by default.
    pub fn only_http1(mut self, on: bool) -> Self {
        self.trust.versions = if on { Versions::Http1 } else { Versions::Any };
        self
    }

    /// Whether nothing but HTTP/2 is spoken, also where there is no TLS by which both sides could choose; false by default.
    pub fn only_http2(mut self, on: bool) -> Self {
        self.trust.versions = if on { Versions::Http2 } else { Versions::Any };
        self
    }

    /// Asks the server of an HTTP/2 connection for a sign of life after each such interval while there are requests, and
    /// gives it up without an answer within the limit. By default it is not asked.
    pub fn keep_alive(mut self, interval: Duration, limit: Duration) -> Self {
        self.keep_alive = Some((interval, limit));
        self
    }

    /// Connects to this server, whatever host the URLs name, and by no proxy: a UNIX socket, or a stream in memory. Over
    /// `https` TLS is spoken on what it gives, with the host of the URL.
    ///
    /// ```
    /// use anyio::{Result, net::UnixConnectable};
    /// use anyio_http::ClientOptions;
    ///
    /// async fn version() -> Result<String> {
    ///     let options = ClientOptions::new().connect_to(UnixConnectable::new("/run/docker.sock"));
    ///     options.run(async |client| Ok(client.get("http://docker/version").send().await?.text().await?)).await
    /// }
    /// # let _ = version;
    /// ```
    pub fn connect_to<C: Connectable<Stream: Split + 'static> + 'static>(mut self, server: C) -> Self {
        self.reach = Box::new(ToOne(server));
        self.proxies = Proxies::none();
        self
    }

    /// Makes a client, runs a body with it, and ends when the connections are closed.
    ///
    /// # Errors
    /// Those of the body.
    ///
    /// # Cancel safety
    /// The body is cancelled and awaited, and the connections with it.
    ///
    /// # Panics
    /// If the body does, or the body of a request.
    pub async fn run<T, E, Via>(self, body: impl AsyncFnOnce(&Client) -> Result<T, E>) -> Result<T, E>
    where
        E: CancelAware<Via> + From<Error>,
    {
        let ran = task_group(async |group| -> Result<T, E> {
            let client = self.in_group(group);
            let value = body(&client).await?;
            drop(client);
            group.scope().set_deadline(current_time().checked_add(LAST_WORDS));
            Ok(value)
        })
        .await;
        match ran {
            Ok(Some(value)) => Ok(value),
            // The body ends before the group is cancelled, which nobody else does.
            Ok(None) => Err(Error::ClosedResource.into()),
            // The connections give none.
            Err(errors) => Err(errors.into_first()),
        }
    }

    /// A client whose connections are children of this group. See [`Client::in_group`].
    pub fn in_group<'scope, E: From<Error> + 'scope>(
        self,
        group: &'scope TaskGroup<'scope, '_, E>,
    ) -> Client {
        let proxies = Rc::new(self.proxies.into_choice());
        let only_http2 = self.trust.versions == Versions::Http2;
        let executor = LocalExecutor::in_group(group);
        let mut pool = legacy::Client::builder(executor.clone());
        pool.timer(HyperTimer)
            .pool_timer(HyperTimer)
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.max_idle_per_host)
            .http2_only(only_http2);
        if let Some((interval, limit)) = self.keep_alive {
            pool.http2_keep_alive_interval(interval).http2_keep_alive_timeout(limit);
        }
        let pool: Pool = pool.build(Connector::new(Connecting {
            reach: self.reach,
            proxies: proxies.clone(),
            trust: Rc::new(self.trust),
            limit: self.connect_timeout,
        }));
        let settings = Settings {
            timeout: self.timeout,
            redirects: self.redirects,
            user_agent: HeaderValue::try_from(self.user_agent),
            max_body_bytes: self.max_body_bytes,
            decompress: self.decompress,
            only_http2,
            proxies,
        };
        Client::new(pool, executor, settings)
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("redirects", &self.redirects)
            .finish_non_exhaustive()
    }
}

/// What a client needs to know of the options for each request.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) timeout: Option<Duration>,
    pub(super) redirects: usize,
    pub(super) user_agent: Result<HeaderValue, InvalidHeaderValue>,
    pub(super) max_body_bytes: Option<u64>,
    #[cfg_attr(
        not(any(feature = "compression", feature = "zstd")),
        expect(dead_code, reason = "nothing decompresses")
    )]
    pub(super) decompress: bool,
    #[cfg_attr(not(feature = "websocket"), expect(dead_code, reason = "nothing else asks for it"))]
    pub(super) only_http2: bool,
    pub(super) proxies: Rc<ProxyChoice>,
}
