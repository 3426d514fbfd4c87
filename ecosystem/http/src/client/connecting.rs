//! What the pool calls for new connections.

use super::{
    link::Link,
    proxies::ProxyChoice,
    route::{Endpoint, Reach, Route},
    tls::Trust,
};
use anyio::{Error, OnThread, Result, fail_after};
use http::Uri;
use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

pub(super) struct Connecting {
    pub(super) reach: Box<dyn Reach>,
    pub(super) proxies: Rc<ProxyChoice>,
    pub(super) trust: Rc<Trust>,
    pub(super) limit: Option<Duration>,
}

impl Connecting {
    async fn connect(&self, uri: &Uri) -> Result<Link> {
        let proxy = match self.proxies.of(uri) {
            Some(proxy) => Some((Endpoint::of(proxy.uri())?, proxy.basic_auth().cloned())),
            None => None,
        };
        let route = Route { target: Endpoint::of(uri)?, proxy, trust: self.trust.clone() };
        fail_after(self.limit, self.reach.reach(&route)).await
    }
}

#[derive(Clone)]
pub(super) struct Connector(OnThread<Rc<Connecting>>);

impl Connector {
    pub(super) fn new(connecting: Connecting) -> Self {
        Self(OnThread::new(Rc::new(connecting)))
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = Error;
    type Future = OnThread<Pin<Box<dyn Future<Output = Result<Link>>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = Rc::clone(&self.0);
        OnThread::new(Box::pin(async move { connecting.connect(&uri).await }))
    }
}
