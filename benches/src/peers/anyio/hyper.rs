//! hyper and axum, by the server of `anyio-http`.

use std::net::Ipv4Addr;

use anyio::{Builder, net::TcpListener, streams::tls::TlsListener};
use anyio_http::{Server, axum::local, tower};
use axum::{Router, routing::any};

use crate::measuring::{hyper, ready::Ready, tls::server_config};

pub(super) fn serve(builder: Builder, ready: Ready) -> anyhow::Result<()> {
    builder.run(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        Server::new().serve(&listener, hyper::answer).await?;
        Ok(())
    })?
}

pub(super) fn serve_tls(builder: &Builder, ready: Ready) -> anyhow::Result<()> {
    let config = server_config()?;
    builder.run(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        Server::new().serve(&TlsListener::new(listener, config), hyper::answer).await?;
        Ok(())
    })?
}

pub(super) fn serve_axum(builder: Builder, ready: Ready) -> anyhow::Result<()> {
    builder.run(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        let router: Router = Router::new().route("/{length}", any(local(hyper::axum_answer)));
        Server::new().serve(&listener, tower(router)).await?;
        Ok(())
    })?
}
