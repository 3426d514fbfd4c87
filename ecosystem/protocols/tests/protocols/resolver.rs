//! hickory's resolver, whose sockets, clock and tasks are anyio's.

use crate::dns::{answer_to, known_name};
use anyio::{
    OnThread, Result,
    lowlevel::Readiness,
    net::{TcpListener, TcpStream, UdpSocket},
    streams::{ByteSendStream, Split, io::ByteIo},
    task_group,
};
use anyio_http::LocalExecutor;
use futures_util::{AsyncRead, AsyncWrite};
use hickory_proto::{
    ProtoError,
    runtime::{RuntimeProvider, Spawn, Time},
    tcp::DnsTcpStream,
    udp::DnsUdpSocket,
    xfer::Protocol,
};
use hickory_resolver::{
    Resolver,
    config::{NameServerConfig, ResolverConfig},
    name_server::GenericConnector,
};
use hyper::rt::Executor;
use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

#[derive(Clone)]
struct Anyio(LocalExecutor);

type SendFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn on_thread<T: 'static>(future: impl Future<Output = T> + 'static) -> SendFuture<T> {
    Box::pin(OnThread::new(Box::pin(future) as Pin<Box<dyn Future<Output = T>>>))
}

impl RuntimeProvider for Anyio {
    type Handle = Anyio;
    type Timer = Clock;
    type Udp = Datagrams;
    type Tcp = Stream;

    fn create_handle(&self) -> Anyio {
        self.clone()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        _: Option<SocketAddr>,
        limit: Option<Duration>,
    ) -> SendFuture<io::Result<Stream>> {
        on_thread(async move {
            let (receive, send) = anyio::fail_after(limit, TcpStream::connect(server)).await?.split();
            Ok(Stream(OnThread::new(ByteIo::new(receive, send))))
        })
    }

    fn bind_udp(&self, local: SocketAddr, _: SocketAddr) -> SendFuture<io::Result<Datagrams>> {
        on_thread(async move {
            let socket = std::net::UdpSocket::bind(local)?;
            socket.set_nonblocking(true)?;
            Ok(Datagrams(OnThread::new(Readiness::new(socket))))
        })
    }
}

impl Spawn for Anyio {
    fn spawn_bg<F: Future<Output = std::result::Result<(), ProtoError>> + Send + 'static>(
        &mut self,
        future: F,
    ) {
        self.0.execute(async { drop(future.await) });
    }
}

struct Clock;

#[async_trait::async_trait]
impl Time for Clock {
    async fn delay_for(duration: Duration) {
        // In a cancelled scope it is over at once, and what waits for an answer is as well.
        let _ = on_thread(anyio::sleep(duration)).await;
    }

    async fn timeout<F: Future + Send + 'static>(duration: Duration, future: F) -> io::Result<F::Output> {
        let limited =
            async move { Ok(anyio::fail_after(duration, async { anyio::Ok(future.await) }).await?) };
        OnThread::new(Box::pin(limited) as Pin<Box<dyn Future<Output = io::Result<F::Output>>>>).await
    }
}

struct Datagrams(OnThread<Readiness<std::net::UdpSocket>>);

impl DnsUdpSocket for Datagrams {
    type Time = Clock;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            match self.0.get_ref().recv_from(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }

    fn poll_send_to(&self, _: &mut Context<'_>, bytes: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.get_ref().send_to(bytes, target))
    }
}

struct Stream(OnThread<ByteIo<<TcpStream as Split>::Receive, <TcpStream as Split>::Send>>);

impl DnsTcpStream for Stream {
    type Time = Clock;
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_close(cx)
    }
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

async fn serve_datagrams(socket: &UdpSocket) -> Result<()> {
    loop {
        let datagram = socket.receive().await?;
        if let Some(answer) = answer_to(&datagram.data, &known_name(), ADDRESS) {
            socket.send_to(answer, datagram.from).await?;
        }
    }
}

async fn serve_stream(stream: TcpStream) -> Result<()> {
    let mut stream = anyio::streams::BufferedByteStream::new(stream);
    loop {
        let length = stream.receive_exactly(2).await?;
        let length = u16::from_be_bytes([length[0], length[1]]);
        let question = stream.receive_exactly(length.into()).await?;
        if let Some(answer) = answer_to(&question, &known_name(), ADDRESS) {
            stream.send((answer.len() as u16).to_be_bytes().to_vec()).await?;
            stream.send(answer).await?;
        }
    }
}

#[anyio::test]
async fn names_are_resolved_over_udp_and_tcp() -> Result<()> {
    let (datagrams, streams) =
        (UdpSocket::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let servers = [(datagrams.local_addr()?, Protocol::Udp), (streams.local_addr()?, Protocol::Tcp)];
    task_group(async |tg| -> Result<()> {
        tg.start_soon(serve_datagrams(&datagrams));
        tg.start_soon(async {
            streams
                .serve(async |stream| -> Result<()> {
                    drop(serve_stream(stream).await);
                    Ok(())
                })
                .await?;
            anyio::Ok(())
        });
        for (server, protocol) in servers {
            let mut config = ResolverConfig::new();
            config.add_name_server(NameServerConfig::new(server, protocol));
            let connector = GenericConnector::new(Anyio(LocalExecutor::in_group(tg)));
            let resolver = Resolver::builder_with_config(config, connector).build();
            let found: Vec<IpAddr> = resolver.lookup_ip("known.example.").await.unwrap().iter().collect();
            assert_eq!(found, [IpAddr::V4(ADDRESS)]);
            assert!(resolver.lookup_ip("unknown.example.").await.is_err());
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
