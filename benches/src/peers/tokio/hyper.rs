//! hyper and axum on tokio, as their documentation has it.

use std::{io, net::Ipv4Addr, time::Duration};

use ::hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use axum::{Router, routing::any};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::runtime;
use crate::measuring::{hyper, ready::Ready, tls::server_config};

pub(super) fn serve(ready: Ready) -> anyhow::Result<()> {
    runtime()?.block_on(super::listen(ready, connection))
}

pub(super) fn serve_http2(ready: Ready) -> anyhow::Result<()> {
    runtime()?.block_on(super::listen(ready, |stream| async move {
        let http = http2::Builder::new(TokioExecutor::new());
        let served = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        served.map_err(io::Error::other)
    }))
}

pub(super) fn serve_tls(ready: Ready) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(server_config()?);
    runtime()?.block_on(super::listen(ready, move |stream| {
        let acceptor = acceptor.clone();
        async move { serve_http1(acceptor.accept(stream).await?).await }
    }))
}

pub(super) async fn connection(stream: TcpStream) -> io::Result<()> {
    serve_http1(stream).await
}

/// With the time limit for heads that servers should have.
async fn serve_http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    let served = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    served.map_err(io::Error::other)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, ::hyper::Error> {
    hyper::answer(request).await
}

pub(super) fn serve_axum(ready: Ready) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        let router: Router = Router::new().route("/{length}", any(hyper::axum_answer));
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            // As all servers here have it; a connection that is gone already tells at its first use.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await?;
        Ok(())
    })
}
