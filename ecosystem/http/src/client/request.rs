//! A request that is being put together.

use super::{
    Client, ClientBody,
    credentials::{basic, secret, take_credentials},
    error::{ClientError, ClientErrorKind},
    redirect::Asked,
    response::ClientResponse,
    response_body::ResponseBody,
};
use crate::BoxError;
use anyio::{current_time, fail_at};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
};
use std::time::{Duration, Instant};
use url::Url;

/// A request that is being put together, by [`Client::get`] and its like. What is wrong with a part of it is told when it
/// is sent.
///
/// ```
/// use anyio::Result;
/// use anyio_http::Client;
/// use std::time::Duration;
///
/// async fn ask(client: &Client) -> Result<String> {
///     let request = client.post("http://localhost:8080/answers").header("X-Question", "6 * 7").body("42");
///     Ok(request.timeout(Duration::from_secs(5)).send().await?.error_for_status()?.text().await?)
/// }
/// # let _ = ask;
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct ClientRequest<'a> {
    client: &'a Client,
    method: Method,
    url: Result<Url, ClientError>,
    headers: HeaderMap,
    body: ClientBody,
    timeout: Option<Duration>,
    version: Version,
    extensions: http::Extensions,
    /// The first thing that is wrong with it.
    wrong: Option<ClientError>,
}

fn wrong(error: impl Into<BoxError>) -> ClientError {
    ClientError::of_source(ClientErrorKind::Request, error)
}

impl<'a> ClientRequest<'a> {
    pub(super) fn new(client: &'a Client, method: Method, url: &str) -> Self {
        let mut url = Url::parse(url).map_err(|error| wrong(format!("{error}: {url:?}")));
        let credentials = url.as_mut().ok().and_then(take_credentials);
        let mut request = Self {
            client,
            method,
            url,
            headers: HeaderMap::new(),
            body: ClientBody::default(),
            timeout: client.settings.timeout,
            version: Version::default(),
            extensions: http::Extensions::new(),
            wrong: None,
        };
        if let Some(credentials) = credentials {
            request.set_authorization(credentials);
        }
        request
    }

    fn set_authorization(&mut self, value: Result<HeaderValue, ClientError>) {
        match value {
            Ok(value) => {
                self.headers.insert(AUTHORIZATION, value);
            }
            Err(error) => self.is_wrong(error),
        }
    }

    fn is_wrong(&mut self, error: ClientError) {
        self.wrong.get_or_insert(error);
    }

    /// Sets a header, in place of those that have that name.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<BoxError>>,
        V: TryInto<HeaderValue, Error: Into<BoxError>>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                self.headers.insert(name, value);
            }
            (Err(error), _) => self.is_wrong(wrong(error)),
            (_, Err(error)) => self.is_wrong(wrong(error)),
        }
        self
    }

    /// Sets headers, in place of those that have their names.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        for name in headers.keys() {
            self.headers.remove(name);
        }
        self.headers.extend(headers);
        self
    }

    /// Says who asks, by name and password.
    pub fn basic_auth(mut self, name: &str, password: Option<&str>) -> Self {
        self.set_authorization(basic(name, password));
        self
    }

    /// Says who asks, by a token.
    pub fn bearer_auth(mut self, token: &str) -> Self {
        self.set_authorization(secret(format!("Bearer {token}")));
        self
    }

    /// Adds pairs to the query of the URL, of whatever serde makes pairs of.
    #[cfg(feature = "json")]
    pub fn query(mut self, query: &(impl serde::Serialize + ?Sized)) -> Self {
        if let Ok(url) = &mut self.url {
            let added = {
                let mut pairs = url.query_pairs_mut();
                query.serialize(serde_urlencoded::Serializer::new(&mut pairs)).map(drop)
            };
            if url.query() == Some("") {
                url.set_query(None);
            }
            if let Err(error) = added {
                self.is_wrong(wrong(error));
            }
        }
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<ClientBody>) -> Self {
        self.body = body.into();
        self
    }

    #[cfg(feature = "json")]
    fn typed_body(mut self, kind: &'static str, body: impl Into<ClientBody>) -> Self {
        self.headers.entry(http::header::CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        self.body = body.into();
        self
    }

    /// A value in JSON as the body.
    #[cfg(feature = "json")]
    pub fn json(mut self, value: &(impl serde::Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.typed_body("application/json", bytes),
            Err(error) => {
                self.is_wrong(wrong(error));
                self
            }
        }
    }

    /// The fields of a form as the body, of whatever serde makes pairs of.
    #[cfg(feature = "json")]
    pub fn form(mut self, fields: &(impl serde::Serialize + ?Sized)) -> Self {
        match serde_urlencoded::to_string(fields) {
            Ok(text) => self.typed_body("application/x-www-form-urlencoded", text),
            Err(error) => {
                self.is_wrong(wrong(error));
                self
            }
        }
    }

    /// A form with files as the body.
    pub fn multipart(mut self, form: super::multipart::Form) -> Self {
        match HeaderValue::try_from(form.content_type()) {
            Ok(kind) => {
                self.headers.insert(http::header::CONTENT_TYPE, kind);
            }
            Err(error) => self.is_wrong(wrong(error)),
        }
        self.body = form.into_body();
        self
    }

    /// How long it may take, redirects and the body of the answer with it, in place of what the
    /// [options](crate::ClientOptions::timeout) say.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeout = limit.into();
        self
    }

    /// Which version it is sent by. If HTTP/2 is named a connection that speaks HTTP/1.1 is an error.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// What others put into the request.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    /// Sends it, and waits for the head of the answer.
    ///
    /// # Errors
    /// See [`ClientErrorKind`]. An answer that says that the request failed is no error: see
    /// [`ClientResponse::error_for_status`].
    ///
    /// # Cancel safety
    /// The request is given up, in whatever state it is. Its connection is not used for another one over HTTP/1.1.
    pub async fn send(self) -> Result<ClientResponse, ClientError> {
        let deadline = self.timeout.and_then(|limit| current_time().checked_add(limit));
        let url = self.url.as_ref().ok().cloned();
        let sent = fail_at(deadline, self.send_within(deadline)).await;
        match url {
            Some(url) => sent.map_err(|error| error.at(&url)),
            None => sent,
        }
    }

    /// Asks for a WebSocket, at an URL that begins with `ws:` or `wss:` (or `http:` or `https:`). That is done over HTTP/1.1,
    /// or over HTTP/2 by a client with the option [`only_http2`](crate::ClientOptions::only_http2). One that is to do so over
    /// TLS has that or [`only_http1`](crate::ClientOptions::only_http1).
    ///
    /// ```
    /// use anyio::Result;
    /// use anyio_http::{Client, websocket::{Message, WebSocketOptions}};
    ///
    /// async fn listen(client: &Client) -> Result<()> {
    ///     let mut socket = client.get("ws://localhost:8080/news").websocket(&WebSocketOptions::new()).await?;
    ///     while let Some(message) = socket.receive().await? {
    ///         println!("{message:?}");
    ///     }
    ///     Ok(())
    /// }
    /// # let _ = listen;
    /// ```
    ///
    /// # Errors
    /// [`ClientErrorKind::NotUpgraded`] if the server does not agree, and those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// The request is given up, and its connection closed.
    #[cfg(feature = "websocket")]
    pub async fn websocket(
        mut self,
        options: &crate::websocket::WebSocketOptions,
    ) -> Result<crate::websocket::WebSocket, ClientError> {
        if let Ok(url) = &mut self.url {
            let scheme = match url.scheme() {
                "ws" => "http",
                "wss" => "https",
                _ => "",
            };
            // From one special scheme to another, which is always possible.
            let _ = !scheme.is_empty() && url.set_scheme(scheme).is_ok();
        }
        let url = self.url.as_ref().ok().cloned();
        let asked = crate::websocket::ask(self, options).await;
        match url {
            Some(url) => asked.map_err(|error| error.at(&url)),
            None => asked,
        }
    }

    /// Whether it will be sent by HTTP/2.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_http2(&self) -> bool {
        self.client.settings.only_http2
    }

    /// Makes it one that asks for another protocol on a stream of HTTP/2.
    #[cfg(feature = "websocket")]
    pub(crate) fn connect(mut self, protocol: &'static str) -> Self {
        self.method = Method::CONNECT;
        self.version = Version::HTTP_2;
        self.extension(hyper::ext::Protocol::from_static(protocol))
    }

    async fn send_within(self, deadline: Option<Instant>) -> Result<ClientResponse, ClientError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let (client, settings) = (self.client, &*self.client.settings);
        let mut asked = Asked { method: self.method, url: self.url?, headers: self.headers, body: self.body };
        asked.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if !asked.headers.contains_key(USER_AGENT) {
            let name = settings.user_agent.as_ref();
            let name = name.map_err(|error| wrong(format!("the user agent of the options: {error}")))?;
            asked.headers.insert(USER_AGENT, name.clone());
        }
        let mut redirects = 0;
        loop {
            let again = asked.body.try_clone();
            let uri = Uri::try_from(asked.url.as_str()).map_err(wrong)?;
            let mut request = Request::new(std::mem::take(&mut asked.body));
            *request.method_mut() = asked.method.clone();
            *request.uri_mut() = uri;
            *request.version_mut() = self.version;
            *request.headers_mut() = asked.headers.clone();
            *request.extensions_mut() = self.extensions.clone();
            let answer = client.exchange(request, &asked.url).await.map_err(|error| error.at(&asked.url))?;
            let url = asked.url.clone();
            if settings.redirects > 0
                && let Some(next) = asked.after(answer.status(), answer.headers(), again)?
            {
                if redirects == settings.redirects {
                    return Err(ClientError::new(ClientErrorKind::TooManyRedirects).at(&url));
                }
                redirects += 1;
                asked = next;
                continue;
            }
            let limit = settings.max_body_bytes;
            return Ok(ClientResponse::new(
                answer.map(|body| ResponseBody::new(body, deadline, limit, url.clone())),
                url,
            ));
        }
    }
}
