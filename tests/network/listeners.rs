//! Listeners, and serving.

use crate::peers::{Ticker, assert_receives, poll_once};
use anyio::{
    CancelScope, Error, ErrorGroup, Result,
    net::{TcpListener, TcpListenerOptions, TcpStream},
    sleep_forever, task_group,
    testing::test_backends,
};
use socket2::SockRef;
use std::{
    cell::Cell,
    io::{Read, Write},
    net::Shutdown,
    os::fd::OwnedFd,
    pin::pin,
    time::Duration,
};

async fn echo(stream: TcpStream) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    Ok(())
}

/// Serves echoes while the body runs.
async fn serving(listener: &TcpListener, body: impl AsyncFn() -> Result<()>) -> Result<()> {
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            listener.serve(echo).await?;
            Ok(())
        });
        body().await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_listener_accepts_one_after_the_other() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    for _ in 0..50 {
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let server = listener.accept().await?;
        assert_eq!(server.peer_addr()?, client.local_addr()?);
        assert!(server.nodelay()?);
    }
    Ok(())
}

#[anyio::test]
async fn only_one_task_accepts() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut accept = pin!(listener.accept());
    assert!(poll_once(accept.as_mut()).await.is_pending());
    let refused = listener.accept().await.unwrap_err();
    assert!(matches!(refused, Error::BusyResource("accepting connections from this listener")));
    let _client = TcpStream::connect(listener.local_addr()?).await?;
    accept.await?;
    Ok(())
}

#[anyio::test]
async fn an_accept_follows_its_future_into_another_scope() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut accept = pin!(listener.accept());
    CancelScope::new()
        .run(async || {
            assert!(poll_once(accept.as_mut()).await.is_pending());
            Ok::<_, Error>(())
        })
        .await?;
    assert!(anyio::move_on_after(Duration::from_millis(5), accept).await?.is_none());
    // In a scope that is cancelled already it does not wait at all.
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || listener.accept().await).await?.is_none());
    let _client = TcpStream::connect(listener.local_addr()?).await?;
    listener.accept().await?;
    Ok(())
}

#[anyio::test]
async fn a_closed_listener_refuses() -> Result<()> {
    // Where nobody else listens, nor connects from: a port that is free again may be anybody's at once.
    let listener = TcpListener::bind("127.0.91.1:0").await?;
    let address = listener.local_addr()?;
    assert!(poll_once(pin!(listener.accept())).await.is_pending());
    Ticker::new().tick().await;
    listener.close().await?;
    assert_eq!(TcpStream::connect(address).await.unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    // The port is free again.
    TcpListener::bind(address).await?;
    Ok(())
}

#[anyio::test]
async fn closing_a_listener_closes_what_it_had_accepted_for_nobody() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ticker = Ticker::new();
    assert!(poll_once(pin!(listener.accept())).await.is_pending());
    ticker.tick().await;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    ticker.tick().await;
    listener.close().await?;
    assert!(!matches!(client.receive().await, Ok(Some(_))));
    Ok(())
}

#[anyio::test]
async fn an_address_in_use_is_an_error_that_names_it() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let error = TcpListener::bind(address).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    // The next one that can be had will do.
    let free = "127.0.0.1:0".parse().unwrap();
    assert_ne!(TcpListener::bind(vec![address, free]).await?.local_addr()?, address);
    assert!(TcpListener::bind(Vec::new()).await.is_err());
    Ok(())
}

/// Connections that the server has closed first keep their port in use for a while.
#[anyio::test]
async fn a_port_whose_connections_are_still_in_use_is_had_again_unless_that_is_switched_off() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    assert!(SockRef::from(&listener).reuse_address().unwrap());
    let address = listener.local_addr()?;
    let client = TcpStream::connect(address).await?;
    let server = listener.accept().await?;
    server.send_eof().await?;
    assert!(client.receive().await?.is_none());
    listener.close().await?;
    let refused = TcpListenerOptions::new().reuse_address(false).bind(address).await;
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let again = TcpListener::bind(address).await?;
    assert_eq!(again.local_addr()?, address);
    Ok(())
}

#[anyio::test]
async fn listeners_share_a_port_if_they_want_to() -> Result<()> {
    let options = TcpListenerOptions::new().reuse_port(true).backlog(1);
    let first = options.bind("127.0.0.1:0").await?;
    let second = options.bind(first.local_addr()?).await?;
    assert_eq!(first.local_addr()?, second.local_addr()?);
    Ok(())
}

#[anyio::test]
async fn a_listener_of_both_families_takes_both() -> Result<()> {
    let only = TcpListener::bind("[::]:0").await?;
    let port = only.local_addr()?.port();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let both = TcpListenerOptions::new().only_v6(false).bind("[::]:0").await?;
    let port = both.local_addr()?.port();
    for host in ["127.0.0.1", "::1"] {
        let _client = TcpStream::connect((host, port)).await?;
        both.accept().await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_listening_socket_is_taken_over_whatever_its_mode() -> Result<()> {
    for nonblocking in [false, true] {
        let theirs = std::net::TcpListener::bind("127.0.0.1:0")?;
        theirs.set_nonblocking(nonblocking)?;
        let address = theirs.local_addr()?;
        let listener = TcpListener::from_owned(theirs.into())?;
        let mut accept = pin!(listener.accept());
        assert!(poll_once(accept.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        let _client = std::net::TcpStream::connect(address)?;
        accept.await?;
    }
    let udp: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0")?.into();
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    for descriptor in [udp, bound.into()] {
        assert!(matches!(TcpListener::from_owned(descriptor), Err(Error::Io(_))));
    }
    Ok(())
}

#[anyio::test]
async fn serving_runs_a_handler_for_each_connection_at_the_same_time() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    serving(&listener, async || {
        let mut clients = Vec::new();
        for _ in 0..30 {
            clients.push(TcpStream::connect(address).await?);
        }
        for (number, client) in clients.iter().enumerate().rev() {
            client.send(format!("hello {number}")).await?;
            assert_receives!(client, format!("hello {number}"));
        }
        // An answer after the client's end.
        clients[0].send("last").await?;
        clients[0].send_eof().await?;
        assert_receives!(clients[0], "last");
        assert!(clients[0].receive().await?.is_none());
        Ok(())
    })
    .await
}

#[anyio::test]
async fn connections_that_are_gone_before_they_are_accepted_do_not_end_serving() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    for _ in 0..20 {
        let gone = std::net::TcpStream::connect(address)?;
        SockRef::from(&gone).set_linger(Some(Duration::ZERO))?;
    }
    let served = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            listener
                .serve(async |stream: TcpStream| -> Result<()> {
                    served.set(served.get() + 1);
                    match echo(stream).await {
                        Err(Error::BrokenResource(_)) => Ok(()),
                        other => other,
                    }
                })
                .await?;
            Ok(())
        });
        let client = TcpStream::connect(address).await?;
        client.send("still there?").await?;
        assert_receives!(client, "still there?");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert!(served.get() >= 1);
    Ok(())
}

#[anyio::test]
async fn cancelling_serve_cancels_its_handlers_and_awaits_them() -> Result<()> {
    struct Gone<'a>(&'a Cell<u32>);
    impl Drop for Gone<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (begun, cancelled, gone) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let scope = CancelScope::new();
    let ended = scope
        .run(async || {
            let serving = listener.serve(async |stream: TcpStream| -> Result<()> {
                let _gone = Gone(&gone);
                begun.set(begun.get() + 1);
                stream.send("welcome").await?;
                let error = sleep_forever().await;
                cancelled.set(cancelled.get() + 1);
                Err(error.into())
            });
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    serving.await?;
                    Ok(())
                });
                for _ in 0..5 {
                    let client = TcpStream::connect(address).await?;
                    assert_receives!(client, "welcome");
                }
                scope.cancel();
                Err(sleep_forever().await.into())
            })
            .await
        })
        .await?;
    assert!(ended.is_none());
    assert_eq!((begun.get(), cancelled.get(), gone.get()), (5, 5, 5));
    // What was not accepted is still there for the next.
    let _client = TcpStream::connect(address).await?;
    listener.accept().await?;
    Ok(())
}

#[anyio::test]
async fn a_handlers_error_ends_serving_and_comes_out() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let client = std::net::TcpStream::connect(address)?;
    (&client).write_all(b"x")?;
    let ended: std::result::Result<_, ErrorGroup<Error>> = listener
        .serve(async |stream: TcpStream| -> Result<()> {
            stream.receive().await?;
            Err(Error::WouldBlock)
        })
        .await;
    let errors = ended.unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(matches!(errors.iter().next(), Some(Error::WouldBlock)));
    client.shutdown(Shutdown::Both).ok();
    Ok(())
}

/// Runs as a child process of the test below, because limits of descriptors are of the process.
#[test]
#[ignore = "is run by another test, in a process of its own"]
fn child_serves_when_descriptors_run_out() {
    for backend in test_backends() {
        anyio::testing::run_test(anyio::Builder::new(), backend, None, serve_when_descriptors_run_out);
    }
}

async fn serve_when_descriptors_run_out() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    serving(&listener, async || {
        // One client for all the time, and a queue of those for whom there is no room.
        let first = TcpStream::connect(address).await?;
        first.send("first").await?;
        assert_receives!(first, "first");
        let mut waiting = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect(address) {
            waiting.push(stream);
        }
        assert!(waiting.len() > 20);
        for number in 0..10 {
            anyio::sleep(Duration::from_millis(10)).await?;
            first.send(format!("{number}")).await?;
            assert_receives!(first, format!("{number}"));
        }
        // There is room for some of those that wait as soon as others go.
        let mut last = waiting.pop().expect("more than 20");
        drop(waiting);
        last.write_all(b"at last")?;
        let answer = anyio::to_thread::run_sync(move || {
            let mut answer = [0; 7];
            last.read_exact(&mut answer).map(|()| answer)
        })
        .await??;
        assert_eq!(&answer, b"at last");
        Ok(())
    })
    .await
}

#[test]
fn serving_goes_on_when_descriptors_run_out() {
    let program = std::env::current_exe().unwrap();
    let script =
        "ulimit -n 100; exec \"$0\" --ignored --exact listeners::child_serves_when_descriptors_run_out";
    let output = std::process::Command::new("sh").arg("-c").arg(script).arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
