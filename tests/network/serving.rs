//! What ends a server, and what does not.

use crate::peers::assert_receives;
use anyio::{
    CancelScope, Error, ErrorGroup, Result, fail_after,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sleep_forever,
    streams::{
        Attributes, BoxedByteStream, BoxedListener, ByteReceiveStream, ByteSendStream, ByteStream,
        Connections, Listener, MultiListener, Server, memory,
    },
    sync::Event,
    task_group,
    tempfile::TemporaryDirectory,
    testing::{MemoryByteStream, memory_stream_pair, wait_all_tasks_blocked},
};
use socket2::SockRef;
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt,
    future::Future,
    net::SocketAddr,
    panic::{AssertUnwindSafe, resume_unwind},
    rc::Rc,
    time::Duration,
};

/// The time in which everything here has happened, however slow the machine.
const LONG: Duration = Duration::from_secs(60);

mod newcomer {
    use anyio::{Result, net::TcpStream};

    include!("echo_as_in_the_readme.rs");

    pub(super) async fn handler(stream: TcpStream) -> Result<()> {
        echo(stream).await
    }
}

#[test]
fn the_readme_shows_the_handler_that_is_tested_here() {
    assert!(include_str!("../../README.md").contains(include_str!("echo_as_in_the_readme.rs")));
}

/// Sends something, so that the server is in the midst of it, and resets the connection.
async fn reset(address: SocketAddr) -> Result<()> {
    let client = TcpStream::connect(address).await?;
    client.send("hello").await?;
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    drop(client);
    Ok(())
}

async fn echoes(address: SocketAddr) -> Result<()> {
    let client = TcpStream::connect(address).await?;
    client.send("still there?").await?;
    assert_receives!(client, "still there?");
    client.close().await
}

/// Runs a server and a body beside it, which ends the server.
async fn beside<E: fmt::Debug>(
    serving: impl Future<Output = Result<Option<Infallible>, ErrorGroup<E>>>,
    body: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let both = async {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                if let Err(errors) = serving.await {
                    assert!(errors.is_cancelled(), "the server ended: {errors:?}");
                }
            });
            body().await?;
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    };
    fail_after(LONG, both).await
}

#[anyio::test]
async fn clients_that_reset_do_not_end_the_echo_server_of_the_readme() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    beside(listener.serve(newcomer::handler), async || {
        for _ in 0..10 {
            reset(address).await?;
            echoes(address).await?;
        }
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_reset_is_told_by_any_kind_of_error() -> Result<()> {
    #[derive(Debug)]
    struct Own(Error);
    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("own")
        }
    }
    impl std::error::Error for Own {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    impl From<Error> for Own {
        fn from(error: Error) -> Self {
            Self(error)
        }
    }
    async fn check<E: fmt::Debug>(
        serve: impl AsyncFnOnce(&TcpListener) -> Result<Option<Infallible>, ErrorGroup<E>>,
    ) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        beside(serve(&listener), async || {
            reset(address).await?;
            echoes(address).await
        })
        .await
    }
    check(async |listener| {
        listener.serve(async |stream| Ok::<_, anyhow::Error>(newcomer::handler(stream).await?)).await
    })
    .await?;
    check(async |listener| {
        listener.serve(async |stream| Ok::<_, Own>(newcomer::handler(stream).await?)).await
    })
    .await?;
    check(async |listener| {
        listener.serve(async |stream| Ok::<_, std::io::Error>(newcomer::handler(stream).await?)).await
    })
    .await?;
    // A handler with tasks of its own.
    check(async |listener| {
        listener
            .serve(async |stream| -> Result<()> {
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(newcomer::handler(stream));
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await
    })
    .await
}

/// Errors that a client can cause, by what it sends and what it leaves out.
#[anyio::test]
async fn what_a_client_says_or_does_not_say_does_not_end_a_server() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let seen = RefCell::new(Vec::new());
    let handler = async |stream: TcpStream| -> Result<()> {
        use anyio::streams::{BufferedByteStream, ObjectReceiveStream, TextStream};
        let mut stream = BufferedByteStream::new(stream);
        let handled = async {
            let line = stream.receive_line(10).await?.ok_or(Error::EndOfStream)?;
            match &*line {
                "exactly" => drop(stream.receive_exactly(5).await?),
                "text" => drop(TextStream::new(&mut stream).receive().await?),
                "late" => {
                    fail_after(Duration::from_millis(1), async {
                        Err::<(), Error>(sleep_forever().await.into())
                    })
                    .await?
                }
                _ => stream.send("good").await?,
            }
            anyio::Ok(())
        }
        .await;
        seen.borrow_mut().extend(handled.as_ref().err().map(|error| format!("{error:?}")));
        handled
    };
    let server = Server::new();
    beside(server.serve(&listener, handler), async || {
        for said in [&b""[..], b"no line end in sight", b"exactly\nfour", b"text\n\xff\xfe", b"late\n"] {
            let client = TcpStream::connect(address).await?;
            let sent = async {
                client.send(said).await?;
                client.send_eof().await
            };
            // Who has heard enough goes, also before all was said.
            let sent = sent.await;
            assert!(matches!(sent, Ok(()) | Err(Error::BrokenResource(_))), "{sent:?}");
            assert!(!matches!(client.receive().await, Ok(Some(_))));
        }
        let client = TcpStream::connect(address).await?;
        client.send("fine\n").await?;
        assert_receives!(client, "good");
        Ok(())
    })
    .await?;
    assert_eq!(
        (seen.borrow().len(), server.statistics().lost, server.statistics().failed),
        (5, 5, 0),
        "{seen:?}"
    );
    Ok(())
}

#[anyio::test]
async fn a_connection_that_is_lost_ends_no_server_of_any_kind() -> Result<()> {
    async fn echo(mut stream: impl ByteStream) -> Result<()> {
        while let Some(chunk) = stream.receive().await? {
            stream.send(chunk).await?;
        }
        Ok(())
    }
    async fn check<L: Listener<Stream: ByteStream>>(
        listener: L,
        addresses: &[SocketAddr],
        path: Option<&std::path::Path>,
    ) -> Result<()> {
        beside(listener.serve(echo), async || {
            for &address in addresses {
                reset(address).await?;
                echoes(address).await?;
            }
            if let Some(path) = path {
                let gone = UnixStream::connect(path).await?;
                // More than the socket takes, so that the server is sending when this goes.
                anyio::move_on_after(Duration::from_millis(50), gone.send(vec![1; 4 << 20])).await?;
                drop(gone);
                let client = UnixStream::connect(path).await?;
                client.send("x").await?;
                assert_eq!(client.receive().await?.unwrap(), "x");
            }
            Ok(())
        })
        .await
    }
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let tcp = async || TcpListener::bind("127.0.0.1:0").await;
    let listener = UnixListener::bind(&path).await?;
    check(listener, &[], Some(path.as_ref())).await?;
    let listeners = [tcp().await?, tcp().await?];
    let addresses = [listeners[0].local_addr()?, listeners[1].local_addr()?];
    check(MultiListener::new(listeners), &addresses, None).await?;
    let listener = tcp().await?;
    let address = listener.local_addr()?;
    check(BoxedListener::of_byte_streams(listener), &[address], None).await?;
    let (listener, path) = (tcp().await?, folder.path().join("another"));
    let address = listener.local_addr()?;
    let both: MultiListener<BoxedListener<BoxedByteStream>> = MultiListener::new([
        BoxedListener::of_byte_streams(listener),
        BoxedListener::of_byte_streams(UnixListener::bind(&path).await?),
    ]);
    check(both, &[address], Some(path.as_ref())).await
}

/// Streams that come out of a channel.
struct Channel(RefCell<memory::ReceiveStream<MemoryByteStream>>);

impl Attributes for Channel {}

impl Listener for Channel {
    type Stream = MemoryByteStream;

    #[expect(clippy::await_holding_refcell_ref, reason = "only one task accepts")]
    async fn accept(&self) -> Result<MemoryByteStream> {
        self.0.borrow_mut().receive().await?.ok_or(Error::EndOfStream)
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

#[anyio::test]
async fn a_listener_without_sockets_serves_until_no_more_streams_come() -> Result<()> {
    let (sender, receiver) = memory::channel(5);
    let channel = BoxedListener::new(Channel(RefCell::new(receiver)));
    let served = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let served = channel.serve(async |mut stream: MemoryByteStream| -> Result<()> {
                served.set(served.get() + 1);
                while let Some(chunk) = stream.receive().await? {
                    stream.send(chunk).await?;
                }
                Err(Error::EndOfStream)
            });
            anyio::Ok(served.await.unwrap_err())
        });
        for _ in 0..3 {
            let (mut client, server) = memory_stream_pair();
            sender.send(server).await?;
            client.send("x").await?;
            assert_eq!(client.receive().await?.unwrap(), "x");
        }
        wait_all_tasks_blocked().await?;
        drop(sender);
        assert!(matches!(serving.await?.into_single(), Ok(Error::EndOfStream)));
        Ok(())
    })
    .await?;
    assert_eq!(served.get(), 3);
    Ok(())
}

#[anyio::test]
async fn other_errors_are_for_the_program_to_decide_about() -> Result<()> {
    for boxed in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let told = RefCell::new(Vec::new());
        let server = Server::new().on_error(|error: anyhow::Error| {
            told.borrow_mut().push(error.to_string());
            if error.to_string() == "the last" { Err(error) } else { Ok(()) }
        });
        let handler = async |stream: TcpStream| -> anyhow::Result<()> {
            let mut said = Vec::new();
            while let Some(chunk) = stream.receive().await? {
                said.extend_from_slice(&chunk);
            }
            anyhow::bail!("{}", String::from_utf8_lossy(&said))
        };
        task_group(async |tg| -> Result<()> {
            let serving = tg.start_soon(async {
                anyio::Ok(if boxed {
                    server.serve(&BoxedListener::new(listener), handler).await.unwrap_err()
                } else {
                    server.serve(&listener, handler).await.unwrap_err()
                })
            });
            for said in ["the first", "the second", "the last"] {
                let client = TcpStream::connect(address).await?;
                client.send(said).await?;
                client.send_eof().await?;
                assert!(client.receive().await?.is_none());
            }
            let errors = serving.await?;
            assert_eq!(errors.into_single().unwrap().to_string(), "the last");
            Ok(())
        })
        .await?;
        assert_eq!(*told.borrow(), ["the first", "the second", "the last"]);
        assert_eq!(server.statistics().failed, 3);
    }
    Ok(())
}

/// A value that panics again when it is dropped, as the payload of a panic or in a future.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("and again");
        }
    }
}

#[anyio::test]
async fn panics_of_handlers_end_their_connection_if_the_program_says_so() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::new().catch_panics(true);
    let handler = |stream: TcpStream| {
        let number = server.statistics().accepted;
        assert_ne!(number, 3, "a handler that panics before it has a future");
        async move {
            let _held = (number == 2).then(|| PanicsInDrop);
            if number == 1 {
                resume_unwind(Box::new(PanicsInDrop));
            }
            newcomer::handler(stream).await
        }
    };
    beside(server.serve(&listener, handler), async || {
        for _ in 0..4 {
            let client = TcpStream::connect(address).await?;
            let _ = client.send("x").await;
            let _ = client.send_eof().await;
            while let Ok(Some(_)) = client.receive().await {}
        }
        echoes(address).await
    })
    .await?;
    assert_eq!((server.statistics().panicked, server.statistics().accepted), (3, 5));
    assert_eq!(server.statistics().connections, 0);
    Ok(())
}

#[anyio::test]
async fn panics_of_handlers_end_the_server_otherwise_when_all_others_have_ended() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let ended = Cell::new(0);
    let (first, second) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
    second.send("x").await?;
    let serving = listener.serve(async |stream: TcpStream| -> Result<()> {
        let received = stream.receive().await;
        ended.set(ended.get() + 1);
        assert!(received?.is_none(), "this one panics");
        Ok(())
    });
    let caught = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(serving)).await;
    assert!(caught.is_err());
    assert_eq!(ended.get(), 2);
    drop(first);
    Ok(())
}

#[anyio::test]
async fn no_more_connections_are_accepted_than_there_may_be() -> Result<()> {
    for count in [1, 2] {
        let mut listeners = Vec::new();
        for _ in 0..count {
            listeners.push(TcpListener::bind("127.0.0.1:0").await?);
        }
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let listener = MultiListener::new(listeners);
        let server = Server::new().max_connections(3);
        let (now, most) = (Cell::new(0), Cell::new(0));
        let handler = async |stream: TcpStream| -> Result<()> {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            let ended = newcomer::handler(stream).await;
            now.set(now.get() - 1);
            ended
        };
        beside(server.serve(&listener, handler), async || {
            let (answered, enough) = (Cell::new(0), Event::new());
            task_group(async |tg| -> Result<()> {
                for number in 0..10 {
                    let client = TcpStream::connect(addresses[number % count]).await?;
                    let (answered, enough, server) = (&answered, &enough, &server);
                    tg.start_soon(async move {
                        client.send("x").await?;
                        assert_eq!(client.receive().await?.unwrap(), "x");
                        answered.set(answered.get() + 1);
                        if answered.get() == 3 {
                            assert_eq!(server.statistics().connections, 3);
                            assert_eq!(server.statistics().max_connections, Some(3));
                            enough.set();
                        }
                        enough.wait().await?;
                        client.close().await
                    });
                }
                enough.wait().await?;
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await?;
        assert_eq!((most.get(), server.statistics().accepted), (3, 10));
    }
    Ok(())
}

#[anyio::test]
async fn what_is_beyond_the_limit_waits_in_the_backlog_and_is_not_lost() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::new().max_connections(1);
    let (first, second) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
    second.send("I was second").await?;
    beside(server.serve(&listener, newcomer::handler), async || {
        first.send("x").await?;
        assert_eq!(first.receive().await?.unwrap(), "x");
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().accepted, 1);
    let waiting = listener.accept().await?;
    assert_receives!(waiting, "I was second");
    Ok(())
}

#[anyio::test]
async fn connections_go_on_in_a_group_further_out_when_accepting_ends() -> Result<()> {
    async fn check(listener: impl Listener<Stream = TcpStream>, address: SocketAddr) -> Result<()> {
        let server = Server::new();
        let handler = newcomer::handler;
        task_group(async |connections| -> Result<()> {
            let accepting = CancelScope::new();
            let client = TcpStream::connect(address).await?;
            client.send("x").await?;
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    accepting.run(async || server.serve_in(connections, &listener, &handler).await).await
                });
                assert_eq!(client.receive().await?.unwrap(), "x");
                accepting.cancel();
                Ok(())
            })
            .await?;
            client.send("y").await?;
            assert_eq!(client.receive().await?.unwrap(), "y");
            assert_eq!(server.statistics().connections, 1);
            client.close().await
        })
        .await?;
        assert_eq!(server.statistics().connections, 0);
        Ok(())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    check(MultiListener::new([listener]), address).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    check(BoxedListener::new(listener), address).await
}

/// Prepares its streams in their own tasks, and takes its time after each.
struct Preparing<L>(L, Rc<Event>);

impl<L: Attributes> Attributes for Preparing<L> {}

impl<L: Listener<Stream = TcpStream>> Listener for Preparing<L> {
    type Stream = TcpStream;

    async fn accept(&self) -> Result<TcpStream> {
        self.0.accept().await
    }

    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(TcpStream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        let enough = self.1.clone();
        let prepared = move |stream: TcpStream| {
            let (handler, enough) = (handler.clone(), enough.clone());
            async move {
                let mut said = Vec::new();
                while said.len() < "please".len() {
                    let Some(chunk) = stream.receive().await? else {
                        return Err(Error::IncompleteRead.into());
                    };
                    said.extend_from_slice(&chunk);
                }
                assert_eq!(said, b"please");
                let handled = handler(stream).await;
                enough.wait().await.map_err(Error::from)?;
                handled
            }
        };
        self.0.serve_in(connections, prepared).await
    }

    async fn close(self) -> Result<()> {
        self.0.close().await
    }
}

#[anyio::test]
async fn listeners_that_prepare_their_streams_do_so_in_the_task_of_each() -> Result<()> {
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let address = tcp.local_addr()?;
    let enough = Rc::new(Event::new());
    let listener = BoxedListener::new(Preparing(BoxedListener::new(tcp), enough.clone()));
    let numbers = Cell::new(0);
    let told = RefCell::new(Vec::new());
    let server = Server::new().on_error(|error: anyhow::Error| {
        told.borrow_mut().push(error.to_string());
        Ok(())
    });
    let handler = async |stream: TcpStream| -> anyhow::Result<()> {
        numbers.set(numbers.get() + 1);
        let number = numbers.get();
        stream.send("you are welcome").await?;
        anyhow::bail!("number {number}")
    };
    beside(server.serve(&listener, handler), async || {
        // It holds up nobody, and neither does who says nothing.
        let _silent = TcpStream::connect(address).await?;
        let rude = TcpStream::connect(address).await?;
        rude.send("now!").await?;
        rude.send_eof().await?;
        assert!(rude.receive().await?.is_none());
        let mut clients = Vec::new();
        for _ in 0..3 {
            let client = TcpStream::connect(address).await?;
            client.send("please").await?;
            assert_receives!(client, "you are welcome");
            clients.push(client);
        }
        enough.set();
        for client in clients {
            assert!(client.receive().await?.is_none());
        }
        wait_all_tasks_blocked().await?;
        Ok(())
    })
    .await?;
    // Each connection has its own error, although they all failed before one of them ended.
    told.borrow_mut().sort();
    assert_eq!(*told.borrow(), ["number 1", "number 2", "number 3"]);
    assert_eq!(server.statistics().lost, 1);
    Ok(())
}
