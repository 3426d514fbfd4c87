//! Connecting, accepting, serving, datagrams, descriptors that travel, and names of hosts.

use crate::{
    scratch::Folder,
    sentences::{cut_short, nothing_is_lost},
};
use anyio::{
    Builder, CancelScope, Error, Result,
    lowlevel::{self, Readiness},
    net::{
        self, ConnectedUdpSocket, ConnectedUnixDatagram, Resolved, Resolver, SendOptions, TcpConnectOptions,
        TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
    },
    streams::{
        ByteReceiveStream, ByteSendStream, Connectable, Listener, Server, UnreliableObjectReceiveStream,
        UnreliableObjectSendStream,
    },
    task_group,
    testing::{Everywhere, cancel_everywhere, test_backends},
};
use std::{
    cell::{Cell, RefCell},
    fs::File,
    io::{Read, Write},
    net::SocketAddr,
    rc::Rc,
};

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[anyio::test]
async fn no_connection_is_lost() {
    covers![
        "net/tcp::TcpListener::accept",
        "net/unix::UnixListener::accept",
        "streams/listener::Listener::accept"
    ];
    macro_rules! accepts {
        ($listener:expr, |$bound:ident| $connect:expr) => {
            cut_short(
                async || ($listener, Cell::new(0), Cell::new(0)),
                async |($bound, connected, accepted)| {
                    let ($bound, connected, accepted) = (&*$bound, &*connected, &*accepted);
                    task_group(async |tg| -> Result<()> {
                        tg.start_soon(async {
                            for _ in 0..2 {
                                let stream = $connect?;
                                connected.set(connected.get() + 1);
                                drop(stream);
                            }
                            anyio::Ok(())
                        });
                        for _ in 0..2 {
                            drop($bound.accept().await?);
                            accepted.set(accepted.get() + 1);
                        }
                        Ok(())
                    })
                    .await
                },
                async |($bound, connected, accepted), _| {
                    // A client that was cut short may have been connected.
                    for _ in accepted.get()..connected.get() {
                        drop($bound.accept().await.unwrap());
                    }
                },
            )
            .await
        };
    }
    accepts!(listener().await, |bound| TcpStream::connect(bound.local_addr().unwrap()).await);
    accepts!(
        {
            let folder = Folder::new();
            Bound(UnixListener::bind(folder.join("socket")).await.unwrap(), folder)
        },
        |bound| UnixStream::connect(bound.1.join("socket")).await
    );
}

/// A listener and the folder in which it is.
struct Bound(UnixListener, Folder);

impl Bound {
    async fn accept(&self) -> Result<UnixStream> {
        Listener::accept(&self.0).await
    }
}

#[anyio::test]
async fn nothing_is_left_behind_by_a_connect_that_was_cut_short() {
    covers![
        "net/tcp::TcpStream::connect",
        "net/tcp/connecting::TcpConnectOptions::connect",
        "net/unix::UnixStream::connect",
        "streams/connectable::Connectable::connect"
    ];
    cut_short(
        async || listener().await,
        async |listener| {
            let address = listener.local_addr()?;
            drop(TcpStream::connect(address).await?);
            drop(TcpConnectOptions::new().connect(("localhost", address.port())).await?);
            drop(net::as_connectable(address).connect().await?);
            anyio::Ok(())
        },
        async |listener, _| listener.close().await.unwrap(),
    )
    .await;
    let folder = Folder::new();
    let path = folder.join("socket");
    cut_short(
        async || UnixListener::bind(&path).await.unwrap(),
        async |_| UnixStream::connect(&path).await.map(drop),
        async |listener, _| listener.close().await.unwrap(),
    )
    .await;
}

#[anyio::test]
async fn a_listener_is_closed_or_given_away_in_any_case() {
    covers![
        "net/tcp::TcpListener::close",
        "net/tcp::TcpListener::into_owned",
        "net/unix::UnixListener::close",
        "net/unix::UnixListener::into_owned",
        "streams/listener::Listener::close"
    ];
    macro_rules! is_free {
        (|$listener:ident| $end:expr) => {
            cut_short(
                async || {
                    let listener = listener().await;
                    (listener.local_addr().unwrap(), Some(listener))
                },
                async |(_, listener)| {
                    let _ = lowlevel::checkpoint().await;
                    let $listener = listener.take().expect("closed once");
                    $end
                },
                async |(address, listener), _| {
                    drop(listener);
                    // The port can be bound again.
                    TcpListener::bind(address).await.unwrap().close().await.unwrap();
                },
            )
            .await
        };
    }
    is_free!(|listener| listener.close().await);
    is_free!(|listener| Listener::close(listener).await);
    is_free!(|listener| {
        drop(listener.into_owned().await.ok());
        lowlevel::checkpoint().await
    });
    let folder = Folder::new();
    let path = folder.join("socket");
    cut_short(
        async || Some(UnixListener::bind(&path).await.unwrap()),
        async |listener| {
            let _ = lowlevel::checkpoint().await;
            listener.take().expect("closed once").close().await
        },
        async |listener, _| drop(listener),
    )
    .await;
    cut_short(
        async || Some(UnixListener::bind(&path).await.unwrap()),
        async |listener| {
            drop(listener.take().expect("given once").into_owned().await.ok());
            lowlevel::checkpoint().await
        },
        async |listener, _| drop(listener),
    )
    .await;
}

/// Answers, and is counted meanwhile.
async fn echo<S: ByteReceiveStream + ByteSendStream>(mut stream: S, alive: &Cell<u32>) -> Result<()> {
    let _alive = Alive::new(alive);
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    Ok(())
}

/// One client, until it has its answer; then the server is cancelled, in any case everything.
macro_rules! serves {
    ($address:ident: $bind:expr, $connect:expr, |$listener:ident, $alive:ident| $serve:expr) => {
        cancel_everywhere(
            // A client that is cancelled late may have lost its handler.
            Everywhere::cancel().allow_errors(),
            async || {
                let listener = $bind;
                (listener, Cell::new(0))
            },
            async |($listener, alive)| {
                let ($listener, $alive) = (&*$listener, &*alive);
                let serving = CancelScope::new();
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async {
                        let $address = $listener;
                        let mut stream = $connect?;
                        ByteSendStream::send(&mut stream, "echo").await?;
                        // Its handler may be cancelled alone.
                        ByteReceiveStream::receive(&mut stream).await?;
                        serving.cancel();
                        anyio::Ok(())
                    });
                    let served = serving.run(async || {
                        let served: Result<()> = async { Ok($serve) }.await;
                        served
                    });
                    served.await.map(drop)
                })
                .await
            },
            async |(listener, alive), _| {
                assert_eq!(alive.get(), 0, "a handler is left");
                listener.close().await.unwrap();
            },
        )
        .await
    };
}

#[anyio::test]
async fn handlers_are_cancelled_and_awaited() {
    covers![
        "net/tcp::TcpListener::serve",
        "net/unix::UnixListener::serve",
        "streams/listener::Listener::serve",
        "streams/listener::Listener::serve_in",
        "streams/listener::Server::serve",
        "streams/listener::Server::serve_in"
    ];
    let folder = Folder::new();
    serves!(
        bound: listener().await,
        TcpStream::connect(bound.local_addr().unwrap()).await,
        |listener, alive| listener.serve::<Error, _>(async |stream| echo(stream, alive).await).await?.map_or((), drop)
    );
    serves!(
        bound: UnixListener::bind(folder.join("socket")).await.unwrap(),
        UnixStream::connect(bound.local_path().unwrap().unwrap()).await,
        |listener, alive| listener.serve::<Error, _>(async |stream| echo(stream, alive).await).await?.map_or((), drop)
    );
    serves!(
        bound: listener().await,
        TcpStream::connect(bound.local_addr().unwrap()).await,
        |listener, alive| {
            let server = Server::<Error>::new().max_connections(1);
            server.serve(listener, async |stream| echo(stream, alive).await).await?.map_or((), drop)
        }
    );
    serves!(
        bound: listener().await,
        TcpStream::connect(bound.local_addr().unwrap()).await,
        |listener, alive| {
            let server = &Server::<Error>::new();
            let handler = &async |stream: TcpStream| echo(stream, alive).await;
            task_group(async |connections| -> Result<()> {
                server.serve_in(connections, listener, handler).await.map(drop)
            })
            .await?;
        }
    );
}

/// Counts what is alive.
struct Alive<'a>(&'a Cell<u32>);

impl<'a> Alive<'a> {
    fn new(count: &'a Cell<u32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// "Either the datagram was sent or the error comes", and "no datagram is lost".
macro_rules! datagrams {
    ($make:expr, |$sender:ident, $data:ident| $send:expr, |$receiver:ident| $receive:expr) => {
        cut_short(
            async || ($make, Cell::new(0), RefCell::new(Vec::new())),
            async |(($sender, $receiver), sent, got)| {
                let ($sender, $receiver, sent, got) = (&*$sender, &*$receiver, &*sent, &*got);
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async {
                        for number in 0..2u8 {
                            let $data = vec![number];
                            let result: Result<()> = $send;
                            result?;
                            sent.set(number + 1);
                        }
                        anyio::Ok(())
                    });
                    for _ in 0..2 {
                        let received: Result<u8> = async { Ok($receive) }.await;
                        got.borrow_mut().push(received?);
                    }
                    Ok(())
                })
                .await
            },
            async |(($sender, $receiver), sent, got), _| {
                let mut got = got.into_inner();
                while got.len() < usize::from(sent.get()) {
                    let received: Result<u8> = async { Ok($receive) }.await;
                    got.push(received.unwrap());
                }
                assert_eq!(got, (0..got.len() as u8).collect::<Vec<u8>>());
                drop($sender);
                $receiver.close().await.unwrap();
            },
        )
        .await
    };
}

async fn udp() -> (UdpSocket, UdpSocket) {
    (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap())
}

async fn connected_udp() -> (ConnectedUdpSocket, UdpSocket) {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    (ConnectedUdpSocket::connect(receiver.local_addr().unwrap()).await.unwrap(), receiver)
}

#[anyio::test]
async fn no_datagram_is_lost() {
    covers![
        "net/udp/unconnected::UdpSocket::send_to",
        "net/udp/unconnected::UdpSocket::send_buf_to",
        "net/udp/unconnected::UdpSocket::send_many",
        "net/udp/unconnected::UdpSocket::send_segments",
        "net/udp/unconnected::UdpSocket::send_with",
        "net/udp/unconnected::UdpSocket::send_buf_with",
        "net/udp/connected::ConnectedUdpSocket::send",
        "net/udp/connected::ConnectedUdpSocket::send_buf",
        "net/udp/connected::ConnectedUdpSocket::send_many",
        "net/udp/connected::ConnectedUdpSocket::send_segments",
        "net/udp/connected::ConnectedUdpSocket::send_with",
        "net/udp/connected::ConnectedUdpSocket::send_buf_with",
        "net/udp/methods::$socket::receive",
        "net/udp/methods::$socket::receive_many",
        "net/udp/methods::$socket::receive_segments",
        "net/udp/methods::$socket::close"
    ];
    let at = |receiver: &UdpSocket| receiver.local_addr().unwrap();
    macro_rules! each_way {
        ($make:expr; $(|$sender:ident, $receiver:ident, $data:ident| $send:expr;)*) => {$({
            datagrams!($make, |$sender, $data| $send, |$receiver| $receiver.receive().await?.data[0]);
        })*};
    }
    let options = SendOptions::new;
    each_way! {
        udp().await;
        |sender, receiver, data| sender.send_to(data, at(receiver)).await;
        |sender, receiver, data| sender.send_buf_to(data, at(receiver)).await.0;
        |sender, receiver, data| sender.send_many(&mut vec![(data, at(receiver))]).await;
        |sender, receiver, data| sender.send_segments(data, 1, at(receiver)).await;
        |sender, receiver, data| sender.send_with(data, at(receiver), options()).await;
        |sender, receiver, data| sender.send_buf_with(data, at(receiver), options()).await.0;
    }
    each_way! {
        connected_udp().await;
        |sender, receiver, data| sender.send(data).await;
        |sender, receiver, data| sender.send_buf(data).await.0;
        |sender, receiver, data| sender.send_many(&mut vec![data]).await;
        |sender, receiver, data| sender.send_segments(data, 1).await;
        |sender, receiver, data| sender.send_with(data, options()).await;
        |sender, receiver, data| sender.send_buf_with(data, options()).await.0;
    }
    datagrams!(connected_udp().await, |sender, data| sender.send(data).await, |receiver| receiver
        .receive_segments()
        .await?
        .data[0]);
    datagrams!(connected_udp().await, |sender, data| sender.send(data).await, |receiver| {
        let mut datagrams = Vec::new();
        receiver.receive_many(&mut datagrams, 1).await?;
        datagrams[0].data[0]
    });
}

#[anyio::test]
async fn no_unix_datagram_and_no_descriptor_in_it_is_lost() {
    covers![
        "net/unix_datagram/socket::$socket::receive",
        "net/unix_datagram/socket::$socket::receive_fds",
        "net/unix_datagram/socket::$socket::close",
        "net/unix_datagram/socket::UnixDatagram::send_to",
        "net/unix_datagram/socket::UnixDatagram::answer",
        "net/unix_datagram/socket::UnixDatagram::send_fds_to",
        "net/unix_datagram/socket::ConnectedUnixDatagram::send",
        "net/unix_datagram/socket::ConnectedUnixDatagram::send_buf",
        "net/unix_datagram/socket::ConnectedUnixDatagram::send_fds",
        "streams/unreliable::UnreliableObjectReceiveStream::receive",
        "streams/unreliable::UnreliableObjectSendStream::send"
    ];
    let file = File::open("/dev/null").unwrap();
    let folder = Folder::new();
    let path = folder.join("socket");
    let pair = || ConnectedUnixDatagram::pair().unwrap();
    datagrams!(pair(), |sender, data| sender.send(data).await, |receiver| receiver.receive().await?.data[0]);
    datagrams!(pair(), |sender, data| sender.send_buf(data).await.0, |receiver| receiver
        .receive()
        .await?
        .data[0]);
    datagrams!(pair(), |sender, data| sender.send_fds(data, &[&file]).await, |receiver| {
        let (packet, descriptors) = receiver.receive_fds().await?;
        assert_eq!(descriptors.owned.len(), 1);
        packet.data[0]
    });
    let bound = async || (UnixDatagram::unbound().unwrap(), UnixDatagram::bind(&path).await.unwrap());
    datagrams!(bound().await, |sender, data| sender.send_to(data, &path).await, |receiver| receiver
        .receive()
        .await?
        .data[0]);
    datagrams!(bound().await, |sender, data| sender.send_fds_to(data, &[&file], &path).await, |receiver| {
        receiver.receive_fds().await?.0.data[0]
    });
    cut_short(
        async || {
            let (one, other) = (
                UnixDatagram::bind(&path).await.unwrap(),
                UnixDatagram::bind(folder.join("other")).await.unwrap(),
            );
            other.send_to("question", &path).await.unwrap();
            let from = one.receive().await.unwrap().from;
            (one, other, from)
        },
        async |(one, _, from)| one.answer("answer", from).await,
        async |(one, other, _), value| {
            if value.is_some() {
                assert_eq!(other.receive().await.unwrap().data, "answer");
            }
            drop(one);
        },
    )
    .await;
    cut_short(
        async || (ConnectedUnixDatagram::pair().unwrap(), 0),
        async |((sender, receiver), got)| {
            UnreliableObjectSendStream::<Vec<u8>>::send(sender, vec![7]).await?;
            *got = UnreliableObjectReceiveStream::receive(receiver).await?.map_or(0, |packet| packet[0]);
            anyio::Ok(())
        },
        async |_, _| (),
    )
    .await;
}

#[anyio::test]
async fn descriptors_that_travel_with_bytes_are_given_or_closed() {
    covers!["net/unix::UnixStream::send_fds", "net/unix::UnixStream::receive_fds"];
    let file = File::open("/dev/null").unwrap();
    cut_short(
        async || (UnixStream::pair().unwrap(), 0),
        async |((sender, receiver), got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async { sender.send_fds("abc", &[&file]).await });
                let (bytes, descriptors) = receiver.receive_fds(9, 1).await?.expect("there is more");
                *got = bytes.len();
                assert_eq!(descriptors.owned.len(), 1);
                Ok(())
            })
            .await
        },
        async |((sender, receiver), got), _| {
            drop(sender);
            let rest = receiver.receive_fds(9, 1).await.unwrap();
            assert!(got == 0 || rest.is_none_or(|(_, descriptors)| descriptors.owned.is_empty()));
        },
    )
    .await;
}

#[anyio::test]
async fn a_look_up_of_a_name_is_given_up() {
    covers!["net/getaddrinfo::getaddrinfo", "net/getnameinfo::getnameinfo", "net/resolver::resolve"];
    let nothing = |_: &Folder| ();
    let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
    nothing_is_lost(nothing, async |_| Ok(net::getaddrinfo("localhost", "80").await?.len())).await;
    nothing_is_lost(nothing, async |_| net::getnameinfo(address, net::NameInfoFlags::NUMERIC_HOST).await)
        .await;
    nothing_is_lost(nothing, async |_| net::resolve("localhost", 80).await).await;
}

#[anyio::test]
async fn readiness_is_told_again() {
    covers![
        "lowlevel/readiness::wait_readable",
        "lowlevel/readiness::wait_writable",
        "lowlevel/readiness::Readiness::readable",
        "lowlevel/readiness::Readiness::writable",
        "lowlevel/readiness::Readiness::read_with",
        "lowlevel/readiness::Readiness::write_with"
    ];
    type Pair = (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream);
    let pair = || -> Pair {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        other.set_nonblocking(true).unwrap();
        (one, other)
    };
    cut_short(
        async || pair(),
        async |(one, other)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    lowlevel::wait_writable(&*one).await?;
                    (&*one).write_all(b"x").unwrap();
                    anyio::Ok(())
                });
                lowlevel::wait_readable(&*other).await
            })
            .await
        },
        async |(mut one, other), _| {
            one.write_all(b"y").unwrap();
            lowlevel::wait_readable(&other).await.unwrap();
        },
    )
    .await;
    cut_short(
        async || {
            let (one, other) = pair();
            (Readiness::new(one), Readiness::new(other), Vec::new())
        },
        async |(one, other, got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    one.writable().await?;
                    one.write_with(|mut stream| stream.write(b"ab")).await.map(drop)
                });
                other.readable().await?;
                while got.len() < 2 {
                    let mut byte = [0];
                    other.read_with(|mut stream| stream.read(&mut byte)).await?;
                    got.extend(byte);
                }
                Ok(())
            })
            .await
        },
        async |(one, other, mut got), value| {
            drop(one);
            other.get_ref().read_to_end(&mut got).unwrap();
            assert!(got == b"ab" || value.is_none() && got.is_empty(), "{got:?}");
        },
    )
    .await;
}

/// Counts its look-ups that have begun and not ended.
struct Counting(Rc<Cell<u32>>);

impl Resolver for Counting {
    fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolved<'a> {
        struct Begun(Rc<Cell<u32>>);
        impl Drop for Begun {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        Box::pin(async move {
            self.0.set(self.0.get() + 1);
            let _begun = Begun(self.0.clone());
            for _ in 0..3 {
                lowlevel::checkpoint().await?;
            }
            Ok(vec![([127, 0, 0, 1], port).into()])
        })
    }
}

#[test]
fn a_resolver_of_others_ends_with_whoever_asks_it() {
    covers!["net/resolver::Resolver::resolve"];
    thread_local! {
        static BEGUN: Rc<Cell<u32>> = Rc::default();
    }
    let begun = || BEGUN.with(Rc::clone);
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).resolver(move || Counting(begun()));
        let run = builder.run(async || {
            cut_short(
                async || (),
                async |()| net::resolve("somewhere.example", 80).await,
                async |(), found| {
                    assert_eq!(begun().get(), 0, "no look-up is left");
                    assert!(found.is_none_or(|found| found.len() == 1));
                },
            )
            .await;
        });
        run.unwrap();
    }
}
