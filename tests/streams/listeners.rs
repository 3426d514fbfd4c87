//! Listeners and connectables of any kind.

use crate::assert_receives::assert_receives;
use anyio::{
    CancelScope, Error, ErrorGroup, Result,
    net::{
        TcpConnectable, TcpListener, TcpListenerOptions, TcpStream, UnixConnectable, UnixListener,
        attribute::{LocalAddress, LocalPath, LocalPort},
    },
    sleep_forever,
    streams::{
        AttributeRequest, Attributes, BoxedByteStream, BoxedConnectable, BoxedListener, BufferedConnectable,
        ByteReceiveStream, ByteSendStream, ByteStream, Connectable, Listener, MultiListener,
        ObjectReceiveStream, TextConnectable,
    },
    sync::Event,
    task_group,
    tempfile::TemporaryDirectory,
    testing::{MemoryByteStream, memory_stream_pair, wait_all_tasks_blocked},
};
use std::{cell::RefCell, fmt, net::SocketAddr, rc::Rc};

async fn listeners(count: usize) -> Result<MultiListener<TcpListener>> {
    let mut listeners = vec![];
    for _ in 0..count {
        listeners.push(TcpListener::bind("127.0.0.1:0").await?);
    }
    Ok(MultiListener::new(listeners))
}

async fn connect(listener: &TcpListener) -> Result<TcpStream> {
    TcpStream::connect(listener.local_addr()?).await
}

#[anyio::test]
async fn streams_come_from_each_of_several_listeners() -> Result<()> {
    let multi = listeners(3).await?;
    for listener in multi.listeners() {
        let client = connect(listener).await?;
        assert_eq!(multi.accept().await?.peer_addr()?, client.local_addr()?);
    }
    multi.close().await
}

#[anyio::test]
async fn a_stream_that_came_while_another_was_accepted_is_not_lost() -> Result<()> {
    let multi = listeners(2).await?;
    // Both accepts are in flight from now on.
    assert!(anyio::move_on_after(std::time::Duration::from_millis(1), multi.accept()).await?.is_none());
    let mut clients = vec![];
    for _ in 0..3 {
        for listener in multi.listeners() {
            clients.push(connect(listener).await?.local_addr()?);
        }
    }
    let mut accepted = vec![];
    for _ in 0..clients.len() {
        accepted.push(multi.accept().await?.peer_addr()?);
    }
    clients.sort();
    accepted.sort();
    assert_eq!(accepted, clients);
    Ok(())
}

#[anyio::test]
async fn serving_on_several_listeners_ends_when_it_is_cancelled() -> Result<()> {
    let multi = listeners(2).await?;
    let served = RefCell::new(0);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let serve = async || -> Result<(), ErrorGroup<Error>> {
                multi
                    .serve(async |stream: TcpStream| -> Result<()> {
                        stream.send("hello").await?;
                        *served.borrow_mut() += 1;
                        Err(sleep_forever().await.into())
                    })
                    .await
                    .map(drop)
            };
            Ok::<_, Error>(scope.run(serve).await?)
        });
        for listener in multi.listeners() {
            let stream = connect(listener).await?;
            assert_receives!(stream, "hello");
        }
        scope.cancel();
        assert!(serving.await?.is_none());
        Ok(())
    })
    .await?;
    assert_eq!(*served.borrow(), 2);
    Ok(())
}

#[anyio::test]
async fn the_errors_of_handlers_on_several_listeners_come_out_together() -> Result<()> {
    let multi = listeners(2).await?;
    let both = anyio::sync::Barrier::new(2);
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let failed = multi.serve(async |_: TcpStream| -> Result<()> {
                both.wait().await?;
                Err(Error::WouldBlock)
            });
            anyio::Ok(failed.await.unwrap_err())
        });
        let mut clients = vec![];
        for listener in multi.listeners() {
            clients.push(connect(listener).await?);
        }
        let errors = serving.await?;
        assert!(!errors.is_cancelled());
        assert!(errors.len() <= 2 && errors.iter().all(|error| matches!(error, Error::WouldBlock)));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn no_listeners_accept_nothing_until_cancelled() -> Result<()> {
    let none = MultiListener::<TcpListener>::new([]);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let accepting = tg.start_soon(async { scope.run(async || none.accept().await).await });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert!(accepting.await?.is_none());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn all_addresses_of_a_name_get_the_same_port() -> Result<()> {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let multi = TcpListenerOptions::new().bind_all(address).await?;
    assert_eq!(multi.listeners().len(), 1);
    let port = multi.extra::<LocalPort>().unwrap();
    // The port is taken: it cannot be had twice when it was asked for.
    let taken = [SocketAddr::new(address.ip(), port), address];
    assert!(TcpListenerOptions::new().bind_all(&taken[..]).await.is_err());
    assert!(TcpListenerOptions::new().bind_all(&[][..] as &[SocketAddr]).await.is_err());
    Ok(())
}

#[cfg(target_os = "linux")]
#[anyio::test]
async fn listeners_on_several_addresses_have_one_port() -> Result<()> {
    let addresses: [SocketAddr; 2] = ["127.0.0.1:0".parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
    let multi = TcpListenerOptions::new().bind_all(&addresses[..]).await?;
    let found: Vec<SocketAddr> = multi.extras::<LocalAddress>().collect();
    assert_eq!(found.iter().map(SocketAddr::ip).collect::<Vec<_>>(), addresses.map(|address| address.ip()));
    assert_eq!(found[0].port(), found[1].port());
    assert_eq!(multi.extra::<LocalAddress>(), Some(found[0]));
    Ok(())
}

/// Says hello to a server of any kind, and gives back what it answers.
async fn hello<C: Connectable<Stream: ByteStream>>(server: &C) -> Result<String> {
    let mut stream = server.connect().await?;
    stream.send("hello").await?;
    stream.send_eof().await?;
    let mut answer = vec![];
    while let Some(chunk) = stream.receive().await? {
        answer.extend_from_slice(&chunk);
    }
    stream.close().await?;
    Ok(String::from_utf8(answer).unwrap())
}

async fn echo(stream: &mut impl ByteStream) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    stream.send_eof().await
}

#[anyio::test]
async fn listeners_and_connectables_of_different_kinds_do_behind_boxes() -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let servers: [BoxedConnectable<BoxedByteStream>; 2] = [
        BoxedConnectable::of_byte_streams(TcpConnectable::new(tcp.local_addr()?)),
        BoxedConnectable::of_byte_streams(UnixConnectable::new(&path)),
    ];
    let listener = MultiListener::new([
        BoxedListener::of_byte_streams(tcp),
        BoxedListener::of_byte_streams(UnixListener::bind(&path).await?),
    ]);
    assert_eq!(listener.extra::<LocalPath>().as_deref(), Some(path.as_ref()));
    assert!(listener.extra::<LocalAddress>().is_some());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            listener.serve(async |mut stream| echo(&mut stream).await).await?;
            Ok(())
        });
        for server in &servers {
            assert_eq!(hello(server).await?, "hello");
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    listener.close().await
}

#[derive(Debug)]
enum OwnError {
    Anyio(Error),
    Own(String),
}

impl fmt::Display for OwnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for OwnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Anyio(error) => Some(error),
            Self::Own(_) => None,
        }
    }
}

impl From<Error> for OwnError {
    fn from(error: Error) -> Self {
        Self::Anyio(error)
    }
}

#[anyio::test]
async fn the_error_of_a_handler_comes_through_a_box_as_it_is() -> Result<()> {
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let address = tcp.local_addr()?;
    let listener = BoxedListener::new(tcp);
    let _clients = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
    let started = std::cell::Cell::new(0);
    let served = listener.serve(async |_: TcpStream| {
        started.set(started.get() + 1);
        if started.get() == 2 {
            return Err(OwnError::Own("as it is".to_owned()));
        }
        Err(OwnError::Anyio(sleep_forever().await.into()))
    });
    let error = served.await.unwrap_err().into_single().unwrap();
    assert!(matches!(error, OwnError::Own(text) if text == "as it is"));
    Ok(())
}

/// A listener that gives a stream once and fails when that was served.
struct Failing(RefCell<Option<MemoryByteStream>>, Rc<Event>);

impl Listener for Failing {
    type Stream = MemoryByteStream;

    async fn accept(&self) -> Result<MemoryByteStream> {
        let stream = self.0.borrow_mut().take();
        if stream.is_none() {
            self.1.wait().await?;
        }
        stream.ok_or(Error::Unsupported("more than one stream"))
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

impl Attributes for Failing {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide::<LocalPort>(|| 5);
    }
}

#[anyio::test]
async fn listeners_of_others_serve_and_say_why_they_cannot() -> Result<()> {
    for boxed in [false, true] {
        let (mut client, server) = memory_stream_pair();
        client.send("x").await?;
        let served = Rc::new(Event::new());
        let handler = async |mut stream: MemoryByteStream| -> Result<()> {
            assert_eq!(stream.receive().await?.unwrap(), "x");
            served.set();
            Ok(())
        };
        let failing = Failing(RefCell::new(Some(server)), served.clone());
        let served = if boxed {
            BoxedListener::new(failing).serve(handler).await
        } else {
            failing.serve(handler).await
        };
        let error = served.unwrap_err().into_single().unwrap();
        assert!(matches!(error, Error::Unsupported("more than one stream")));
    }
    Ok(())
}

#[anyio::test]
async fn connectables_put_buffers_and_text_around_streams() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = TcpConnectable::new(listener.local_addr()?);
    let mut buffered = BufferedConnectable::new(&server).connect().await?;
    listener.accept().await?.send("one\ntwo").await?;
    assert_eq!(buffered.receive_line(10).await?.unwrap(), "one");
    let mut text = TextConnectable::new(&server).connect().await?;
    listener.accept().await?.send("grün").await?;
    let mut received = String::new();
    while received.len() < "grün".len() {
        received += &ObjectReceiveStream::receive(&mut text).await?.unwrap();
    }
    assert_eq!(received, "grün");
    Ok(())
}

#[anyio::test]
async fn connecting_to_nobody_names_the_target() {
    let missing = UnixConnectable::new("/there/is/no/socket");
    let error = BoxedConnectable::new(missing).connect().await.unwrap_err();
    assert!(error.to_string().contains("/there/is/no/socket"), "{error}");
}
