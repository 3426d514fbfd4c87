//! Listeners that cores share.

use crate::peers::{assert_receives, poll_once, until};
use anyio::{
    Builder, CancelScope, Core, Error, ErrorGroup, Result,
    cores::SharedListener,
    cross::Event,
    lowlevel, move_on_after,
    net::{TcpListener, TcpListenerOptions, TcpStream, attribute},
    sleep,
    streams::{Listener, Server},
    task_group,
    testing::test_backends,
};
use std::{
    io::ErrorKind,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Wake},
    time::Duration,
};

fn each_backend(test: impl Fn(Builder)) {
    for backend in test_backends() {
        test(Builder::new().backend(backend));
    }
}

/// Where both cores wait for each other, once.
#[derive(Default)]
struct Meeting {
    come: AtomicUsize,
    both: Event,
}

impl Meeting {
    async fn meet(&self) -> Result<()> {
        if self.come.fetch_add(1, Ordering::SeqCst) == 1 {
            self.both.set();
        }
        Ok(self.both.wait().await?)
    }
}

fn ended<T>(ended: Result<Option<Vec<T>>, ErrorGroup<Error>>) -> Vec<T> {
    ended.unwrap().expect("no core was cancelled")
}

/// The number of the core that serves a connection, which it says first.
async fn served_by(stream: &TcpStream) -> usize {
    let said = stream.receive().await.unwrap().expect("it says so");
    usize::from(said[0])
}

/// Says which core this is, and serves until the client goes.
async fn say_core(stream: TcpStream) -> Result<()> {
    stream.send([Core::current().expect("on a core").index() as u8]).await?;
    while stream.receive().await?.is_some() {}
    Ok(())
}

/// Serves on both cores until the client, which runs on the first, has come to its end.
fn serve_for(
    builder: &Builder,
    server: impl Fn(&Core) -> Server<'static, Error> + Sync,
    client: impl AsyncFn(&Core, SocketAddr) -> Result<()> + Sync,
) {
    let (listening, over) = (Meeting::default(), Event::new());
    ended(builder.run_on_cores(2, async |core: &Core| -> Result<()> {
        let listener = core.listen("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        listening.meet().await?;
        let server = server(core);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                server.serve(&listener, say_core).await?;
                anyio::Ok(())
            });
            if core.index() == 0 {
                let ended = client(core, address).await;
                over.set();
                ended?;
            }
            over.wait().await?;
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    }));
}

#[test]
fn both_cores_listen_on_one_port_and_serve() {
    each_backend(|builder| {
        serve_for(
            &builder,
            |_| Server::new(),
            async |core, address| {
                let mut clients = Vec::new();
                let mut counts = [0; 2];
                for _ in 0..60 {
                    let client = TcpStream::connect(address).await?;
                    counts[served_by(&client).await] += 1;
                    clients.push(client);
                }
                // They say so before the client knows.
                let counted: Vec<_> = core.all().map(|core| core.connections()).collect();
                assert_eq!(counted, counts);
                assert!(counts.iter().all(|&count| count >= 10), "{counts:?}");
                drop(clients);
                until(|| core.all().all(|core| core.connections() == 0)).await
            },
        );
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_core_that_is_busy_with_one_connection_gets_hardly_any_more() {
    each_backend(|builder| {
        serve_for(
            &builder,
            |_| Server::new(),
            async |core, address| {
                let other = core.all().nth(1).unwrap();
                // Both have one, so the numbers do not decide.
                let clients = [TcpStream::connect(address).await?, TcpStream::connect(address).await?];
                for client in &clients {
                    served_by(client).await;
                }
                let enough = Arc::new(AtomicBool::new(false));
                task_group(async |tg| -> Result<()> {
                    let told = enough.clone();
                    tg.spawn_on(&other, async move || {
                        while !told.load(Ordering::SeqCst) {
                            lowlevel::checkpoint().await?;
                        }
                        Ok(())
                    });
                    let mut here = 0;
                    let mut clients = Vec::new();
                    for _ in 0..6 {
                        // Whatever else this host does: as long as there is no difference, none can be told.
                        until(|| other.utilisation() > 2.0 * core.utilisation() + 0.1).await?;
                        // What has just come is not taken for a heavy one any more.
                        sleep(Duration::from_millis(300)).await?;
                        let client = TcpStream::connect(address).await?;
                        here += usize::from(served_by(&client).await == 0);
                        clients.push(client);
                    }
                    enough.store(true, Ordering::SeqCst);
                    assert!(here >= 4, "{here} of 6");
                    Ok(())
                })
                .await?;
                Ok(())
            },
        );
    });
}

#[test]
fn a_limit_of_one_core_leaves_connections_to_the_other() {
    each_backend(|builder| {
        serve_for(
            &builder,
            |core| if core.index() == 1 { Server::new().max_connections(1) } else { Server::new() },
            async |_, address| {
                let mut clients = Vec::new();
                // All at once, so that many are on their way to the other core.
                for _ in 0..30 {
                    clients.push(TcpStream::connect(address).await?);
                }
                let mut there = 0;
                for client in &clients {
                    there += served_by(client).await;
                }
                assert!(there <= 1, "{there}");
                Ok(())
            },
        );
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Finish,
    Cancel,
    /// Its listener is forgotten as well.
    Forget,
}

/// Clients that connect and want an echo, while the second core stops after it has begun to serve some.
fn stops_in_the_midst(builder: &Builder, after: usize, stop: Stop) {
    const CLIENTS: usize = 100;
    let (listening, over) = (Meeting::default(), Event::new());
    let served = [AtomicUsize::new(0), AtomicUsize::new(0)];
    ended(builder.run_on_cores(2, async |core: &Core| -> Result<()> {
        let listener = core.listen("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accepting = CancelScope::new();
        let handler = async |stream: TcpStream| -> Result<()> {
            let number = served[core.index()].fetch_add(1, Ordering::SeqCst) + 1;
            if core.index() == 1 && number == after {
                match stop {
                    Stop::Finish => accepting.finish(Duration::from_secs(60)),
                    Stop::Cancel | Stop::Forget => accepting.cancel(),
                }
            }
            while let Some(chunk) = stream.receive().await? {
                stream.send(chunk).await?;
            }
            Ok(())
        };
        listening.meet().await?;
        let server = Server::new();
        // What was begun is ended, whatever becomes of accepting.
        task_group(async |connections| -> Result<()> {
            task_group(async |tg| -> Result<()> {
                if core.index() == 0 {
                    tg.start_soon(async {
                        echoes(address, CLIENTS).await?;
                        over.set();
                        anyio::Ok(())
                    });
                }
                // The second as well: it may have got too few to stop before.
                tg.start_soon(async {
                    over.wait().await?;
                    accepting.cancel();
                    anyio::Ok(())
                });
                accepting.run(async || server.serve_in(connections, &listener, &handler).await).await?;
                tg.cancel();
                Ok(())
            })
            .await?;
            match stop {
                Stop::Forget if core.index() == 1 => std::mem::forget(listener),
                _ => drop(listener),
            }
            Ok(())
        })
        .await?;
        Ok(())
    }));
    let served = served.map(AtomicUsize::into_inner);
    assert_eq!(served.iter().sum::<usize>(), CLIENTS, "{served:?}");
}

/// So many clients at the same time, each of which has to be answered.
async fn echoes(address: SocketAddr, clients: usize) -> Result<()> {
    task_group(async |tg| -> Result<()> {
        for _ in 0..clients {
            tg.start_soon(async {
                let client = TcpStream::connect(address).await?;
                client.send("hello").await?;
                assert_eq!(client.receive().await?.expect("no connection is lost"), "hello");
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn a_core_that_stops_loses_no_connection() {
    each_backend(|builder| {
        for stop in [Stop::Finish, Stop::Cancel, Stop::Forget] {
            for after in [1, 2, 7, 30] {
                stops_in_the_midst(&builder, after, stop);
            }
        }
    });
}

#[test]
fn an_accept_that_is_forgotten_keeps_connections_until_its_core_ends() {
    each_backend(|builder| {
        let (listening, connected) = (Meeting::default(), Event::new());
        ended(builder.run_on_cores(2, async |core: &Core| -> Result<()> {
            let listener = core.listen("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let mut accept = Box::pin(listener.accept());
            assert!(poll_once(accept.as_mut()).await.is_pending());
            listening.meet().await?;
            if core.index() == 1 {
                std::mem::forget(accept);
                std::mem::forget(listener);
                connected.wait().await?;
                return Ok(());
            }
            drop(accept);
            let mut clients = Vec::new();
            for _ in 0..10 {
                clients.push(TcpStream::connect(address).await?);
            }
            connected.set();
            for _ in &clients {
                listener.accept().await?;
            }
            Ok(())
        }));
    });
}

#[test]
fn connections_that_are_left_when_the_last_share_goes_are_closed() {
    each_backend(|builder| {
        ended(builder.run_on_cores(1, async |core: &Core| -> Result<()> {
            let listener = core.listen("127.0.0.1:0").await?;
            let client = TcpStream::connect(listener.local_addr()?).await?;
            let mut accept = Box::pin(listener.accept());
            // It is accepted by the system, and the future goes without having seen that; or it has.
            let accepted = poll_once(accept.as_mut()).await;
            drop(accept);
            drop(accepted);
            listener.close().await?;
            assert!(!matches!(client.receive().await, Ok(Some(_))));
            Ok(())
        }));
    });
}

#[test]
fn an_accept_that_is_given_up_leaves_its_connection_to_the_next() {
    each_backend(|builder| {
        ended(builder.run_on_cores(1, async |core: &Core| -> Result<()> {
            let listener = core.listen("127.0.0.1:0").await?;
            for _ in 0..20 {
                let mut accept = Box::pin(listener.accept());
                assert!(poll_once(accept.as_mut()).await.is_pending());
                let client = TcpStream::connect(listener.local_addr()?).await?;
                drop(accept);
                client.send("here").await?;
                let stream = listener.accept().await?;
                assert_receives!(stream, "here");
            }
            Ok(())
        }));
    });
}

#[test]
fn shares_are_of_one_listener_which_is_closed_with_the_last() {
    each_backend(|builder| {
        let addresses = ended(builder.run_on_cores(2, async |core: &Core| -> Result<SocketAddr> {
            let listener = core.listen("127.0.0.1:0").await?;
            let again = core.listen("127.0.0.1:0").await;
            assert!(matches!(again, Err(Error::BusyResource(_))), "{again:?}");
            listener.close().await?;
            let before = TcpListener::bind("127.0.0.1:0").await?;
            let address = before.local_addr()?;
            assert!(core.listen(address).await.is_err(), "it is taken");
            before.close().await?;
            let listener = core.listen_with(&TcpListenerOptions::new().backlog(8), address).await?;
            assert_eq!(listener.local_addr()?, address);
            Ok(address)
        }));
        // Both ports are free again.
        for address in addresses {
            drop(std::net::TcpListener::bind(address).unwrap());
        }
    });
}

#[test]
fn one_that_was_made_before_serves_the_cores_of_one_run() {
    each_backend(|builder| {
        let listener =
            SharedListener::from_owned(std::net::TcpListener::bind("127.0.0.1:0").unwrap().into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (listener, over) = (&listener, Event::new());
        ended(builder.run_on_cores(2, async |core: &Core| -> Result<()> {
            let share = listener.on(core)?;
            assert_eq!(share.local_addr()?, address);
            let other = core.all().find(|other| other != core).unwrap();
            let refused = listener.on(&other).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
            if core.index() == 0 {
                let client = TcpStream::connect(address).await?;
                over.wait().await?;
                drop(client);
            } else {
                // Whoever comes first.
                let accepted = share.accept().await?;
                over.set();
                drop(accepted);
            }
            Ok(())
        }));
        let refused =
            ended(builder.run_on_cores(1, async |core: &Core| -> Result<Error> {
                Ok(listener.on(core).unwrap_err())
            }));
        assert_eq!(refused[0].kind(), ErrorKind::InvalidInput, "{}", refused[0]);
        let text = refused[0].to_string();
        assert!(text.contains("core 0") && text.contains("another run"), "{text}");
    });
}

#[test]
fn what_does_not_listen_is_no_listener() {
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let refused = SharedListener::from_owned(stream.into()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(SharedListener::from_owned(socket.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn connections_come_whatever_the_mode_of_the_socket() {
    each_backend(|builder| {
        ended(builder.run_on_cores(1, async |core: &Core| -> Result<()> {
            let listener = core.listen("127.0.0.1:0").await?;
            socket2::SockRef::from(&listener).set_nonblocking(true)?;
            let mut accept = pin!(listener.accept());
            assert!(poll_once(accept.as_mut()).await.is_pending());
            let _client = TcpStream::connect(listener.local_addr()?).await?;
            accept.await?;
            Ok(())
        }));
    });
}

#[test]
fn a_share_accepts_for_one_task_at_a_time_and_tells_what_it_knows() {
    each_backend(|builder| {
        ended(builder.run_on_cores(1, async |core: &Core| -> Result<()> {
            let listener = core.listen(("localhost", 0)).await?;
            let mut first = Box::pin(listener.accept());
            assert!(poll_once(first.as_mut()).await.is_pending());
            assert!(matches!(listener.accept().await, Err(Error::BusyResource(_))));
            drop(first);
            let known = anyio::streams::extra::<attribute::LocalAddress>(&listener);
            assert_eq!(known, Some(listener.local_addr()?));
            let cancelled = move_on_after(Duration::from_millis(1), listener.accept()).await?;
            assert!(cancelled.is_none());
            let finishing = CancelScope::new();
            finishing.finish(Duration::from_secs(60));
            let ended = finishing.run(async || Listener::accept(&listener).await.map(drop)).await?;
            assert!(ended.is_none());
            Ok(())
        }));
    });
}

#[test]
fn what_nobody_has_served_when_all_shares_are_back_is_closed_although_the_listener_lives() {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    each_backend(|builder| {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = SharedListener::from_owned(socket.into()).unwrap();
        ended(builder.run_on_cores(1, async |core: &Core| -> Result<()> {
            let share = listener.on(core)?;
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let mut accept = Box::pin(share.accept());
            let waker = woken.clone().into();
            assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let client = TcpStream::connect(listener.local_addr()?).await?;
            while !woken.0.load(Ordering::SeqCst) {
                lowlevel::checkpoint().await?;
            }
            // It is accepted, and nobody has it.
            drop(accept);
            share.close().await?;
            let told = anyio::fail_after(Duration::from_secs(10), client.receive()).await;
            assert!(matches!(told, Ok(None) | Err(Error::BrokenResource(_))), "{told:?}");
            Ok(())
        }));
    });
}
