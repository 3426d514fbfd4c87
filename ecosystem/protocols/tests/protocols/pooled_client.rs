//! hyper-util's client with a pool, used as its users do, with our executor and connections.

use anyio::{OnThread, Result, net::TcpListener, net::TcpStream, streams::Split, task_group};
use anyio_http::{HyperIo, HyperTimer, LocalExecutor, Server};
use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::{
    Client,
    connect::{Connected, Connection},
};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

struct Link(HyperIo<<TcpStream as Split>::Receive, <TcpStream as Split>::Send>);

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[derive(Clone)]
struct Connector;

impl tower_service::Service<Uri> for Connector {
    type Response = Link;
    type Error = anyio::Error;
    type Future = OnThread<Pin<Box<dyn Future<Output = Result<Link>>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        OnThread::new(Box::pin(async move {
            let address = (uri.host().unwrap(), uri.port_u16().unwrap());
            Ok(Link(HyperIo::new(TcpStream::connect(address).await?)))
        }))
    }
}

#[anyio::test]
async fn a_pool_of_hyper_util_s_keeps_our_connections() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri: Uri = format!("http://{}/", listener.local_addr()?).parse().unwrap();
    let server = Server::new();
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            server.serve(&listener, async |_request| anyio::Ok(Response::new("hello".to_owned()))).await
        });
        for only_http2 in [false, true] {
            let client: Client<_, Empty<Bytes>> = Client::builder(LocalExecutor::in_group(tg))
                .pool_timer(HyperTimer)
                .pool_idle_timeout(Duration::from_secs(30))
                .http2_only(only_http2)
                .build(Connector);
            for _ in 0..5 {
                let answer = client.get(uri.clone()).await.unwrap();
                assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
            }
        }
        assert_eq!(server.statistics().accepted_connections, 2);
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
