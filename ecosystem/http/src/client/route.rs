//! The way to a server.

use super::{link::Link, tls, tunnel};
use anyio::{
    Error, Result,
    streams::{Connectable, Split},
};
use http::{HeaderValue, Uri};
use std::{future::Future, io, pin::Pin, rc::Rc};

/// A host and a port, and whether TLS is spoken there.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// An IPv6 address is without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
}

impl Endpoint {
    pub(super) fn of(uri: &Uri) -> Result<Self> {
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(other) => return Err(invalid(format!("nothing is known of the scheme {other}"))),
            None => return Err(invalid("a URL without a scheme".into())),
        };
        let host = uri.host().ok_or_else(|| invalid("a URL without a host".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), is_tls })
    }

    /// As a request names it.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

fn invalid(what: String) -> Error {
    Error::from(io::Error::new(io::ErrorKind::InvalidInput, what))
}

pub(super) struct Route {
    pub(super) target: Endpoint,
    /// The proxy, and what it is to be told.
    pub(super) proxy: Option<(Endpoint, Option<HeaderValue>)>,
    pub(super) trust: Rc<tls::Trust>,
}

impl Route {
    /// Where the connection goes.
    pub(super) fn first(&self) -> &Endpoint {
        self.proxy.as_ref().map_or(&self.target, |(proxy, _)| proxy)
    }

    /// Makes of a stream to the first endpoint a connection to the target.
    pub(super) async fn establish<S: Split + 'static>(&self, stream: S) -> Result<Link> {
        match &self.proxy {
            None => self.reach_target(stream).await,
            Some((proxy, _)) if proxy.is_tls => {
                let encrypted = self.trust.encrypt_to_proxy(stream, &proxy.host).await?;
                self.pass_proxy(encrypted).await
            }
            Some(_) => self.pass_proxy(stream).await,
        }
    }

    async fn pass_proxy<S: Split + 'static>(&self, mut stream: S) -> Result<Link> {
        let authorization = self.proxy.as_ref().and_then(|(_, authorization)| authorization.as_ref());
        if !self.target.is_tls {
            return Ok(Link::new(stream).forwarded());
        }
        tunnel::open(&mut stream, &self.target.authority(), authorization).await?;
        self.reach_target(stream).await
    }

    async fn reach_target<S: Split + 'static>(&self, stream: S) -> Result<Link> {
        if !self.target.is_tls {
            return Ok(Link::new(stream));
        }
        let encrypted = self.trust.encrypt(stream, &self.target.host).await?;
        let is_http2 = tls::has_chosen_http2(&encrypted);
        Ok(Link::new(encrypted).http2(is_http2))
    }
}

/// What connects to a server.
pub(super) trait Reach {
    fn reach<'a>(&'a self, route: &'a Route) -> Pin<Box<dyn Future<Output = Result<Link>> + 'a>>;
}

/// By TCP, wherever the URL says.
pub(super) struct ByTcp;

impl Reach for ByTcp {
    fn reach<'a>(&'a self, route: &'a Route) -> Pin<Box<dyn Future<Output = Result<Link>> + 'a>> {
        Box::pin(async move {
            let first = route.first();
            route.establish(anyio::net::TcpStream::connect((first.host.as_str(), first.port)).await?).await
        })
    }
}

/// To one server, whatever the URL says.
pub(super) struct ToOne<C>(pub(super) C);

impl<C: Connectable<Stream: Split + 'static>> Reach for ToOne<C> {
    fn reach<'a>(&'a self, route: &'a Route) -> Pin<Box<dyn Future<Output = Result<Link>> + 'a>> {
        Box::pin(async move { route.reach_target(self.0.connect().await?).await })
    }
}
