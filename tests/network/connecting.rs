//! Choices when connecting and listening.

use anyio::{
    Builder, Error, Result, current_time, move_on_after,
    net::{
        TcpConnectOptions, TcpConnectable, TcpListener, TcpListenerOptions, TcpStream, UnixListener,
        UnixStream,
    },
    streams::{Connectable, Listener},
    task_group,
    tempfile::TemporaryDirectory,
    testing::{free_tcp_port, test_backends, wait_all_tasks_blocked},
};
use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

#[anyio::test]
async fn a_connection_comes_from_the_address_and_port_that_were_asked_for() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let here = Ipv4Addr::new(127, 0, 0, 5);
    let port = free_tcp_port()?;
    let options = TcpConnectOptions::new().local_address(here).local_port(port);
    let client = options.connect(listener.local_addr()?).await?;
    assert_eq!(client.local_addr()?, SocketAddr::from((here, port)));
    assert_eq!(listener.accept().await?.peer_addr()?, SocketAddr::from((here, port)));
    let port = free_tcp_port()?;
    let options = TcpConnectOptions::new().local_port(port);
    let client = TcpConnectable::new(listener.local_addr()?).options(options).connect().await?;
    assert_eq!(client.local_addr()?.port(), port);
    Ok(())
}

#[anyio::test]
async fn the_local_address_decides_about_the_family() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let both = [SocketAddr::from((Ipv6Addr::LOCALHOST, port)), listener.local_addr()?];
    let from_v4 = TcpConnectOptions::new().local_address(Ipv4Addr::LOCALHOST);
    assert!(from_v4.connect(&both[..]).await?.peer_addr()?.is_ipv4());
    let error = from_v4.connect(both[0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    let nowhere = TcpConnectOptions::new().local_address(Ipv4Addr::new(192, 0, 2, 1));
    let error = nowhere.connect(listener.local_addr()?).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable, "{error}");
    Ok(())
}

/// A listener whose backlog is full, so that an attempt to connect to it waits.
async fn silent(address: IpAddr) -> Result<(TcpListener, Vec<TcpStream>)> {
    let listener = TcpListenerOptions::new().backlog(1).bind((address, 0)).await?;
    let mut clients = Vec::new();
    while let Some(client) =
        move_on_after(Duration::from_millis(100), TcpStream::connect(listener.local_addr()?)).await?
    {
        clients.push(client);
    }
    Ok((listener, clients))
}

#[anyio::test]
async fn the_next_attempt_begins_after_the_delay_that_was_asked_for() -> Result<()> {
    let (first, _clients) = silent(Ipv4Addr::LOCALHOST.into()).await?;
    let second = TcpListener::bind("127.0.0.1:0").await?;
    let addresses = [first.local_addr()?, second.local_addr()?];
    let at_once = TcpConnectOptions::new().happy_eyeballs_delay(Duration::ZERO);
    assert_eq!(at_once.connect(&addresses[..]).await?.peer_addr()?, addresses[1]);
    let late = TcpConnectOptions::new().happy_eyeballs_delay(Duration::from_millis(300));
    let begun = current_time();
    late.connect(&addresses[..]).await?;
    assert!(current_time() - begun >= Duration::from_millis(300));
    Ok(())
}

#[anyio::test]
async fn all_that_could_not_be_listened_on_is_told() -> Result<()> {
    let taken = [TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.2:0").await?];
    let addresses = [taken[0].local_addr()?, taken[1].local_addr()?];
    let error = TcpListener::bind(&addresses[..]).await.unwrap_err();
    let Error::Group(errors) = &error else { panic!("{error:?}") };
    assert_eq!(errors.iter().count(), 2);
    for (error, address) in errors.iter().zip(addresses) {
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
    let error = TcpListener::bind(addresses[0]).await.unwrap_err();
    assert!(error.to_string().contains(&addresses[0].to_string()), "{error}");
    Ok(())
}

#[anyio::test]
async fn a_listener_everywhere_takes_both_families() -> Result<()> {
    let listener = TcpListenerOptions::new().bind_everywhere(0).await?;
    let ports: Vec<u16> =
        listener.listeners().iter().map(|one| Ok(one.local_addr()?.port())).collect::<Result<_>>()?;
    assert!(ports.iter().all(|&port| port == ports[0]));
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let client = TcpStream::connect((address, ports[0])).await?;
        let server = listener.accept().await?;
        assert_eq!(server.peer_addr()?.port(), client.local_addr()?.port());
    }
    Ok(())
}

#[anyio::test]
async fn a_listener_gives_its_socket_away_in_blocking_mode() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // An accept that was given up has left its operation in flight.
    assert!(move_on_after(Duration::ZERO, listener.accept()).await?.is_none());
    let task = task_group(async |tg| -> Result<()> {
        let waiting = tg.start_soon(async { listener.accept().await.map(drop) });
        wait_all_tasks_blocked().await?;
        waiting.cancel();
        Ok(())
    });
    task.await?;
    let socket = std::net::TcpListener::from(listener.into_owned().await.unwrap());
    let client = TcpStream::connect(address).await?;
    let (mut server, _) = anyio::to_thread::run_sync(move || socket.accept()).await??;
    client.send("hello").await?;
    client.close().await?;
    let mut text = String::new();
    server.set_nonblocking(false)?;
    server.read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).await?;
    let again = UnixListener::from_owned(listener.into_owned().await.unwrap())?;
    let _client = UnixStream::connect(&path).await?;
    again.accept().await?;
    Ok(())
}

#[test]
fn a_connection_that_came_for_nobody_keeps_its_listener() {
    for backend in test_backends() {
        let run = Builder::new().backend(backend).run(async || -> Result<()> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            task_group(async |tg| -> Result<()> {
                let waiting = tg.start_soon(async { listener.accept().await.map(drop) });
                wait_all_tasks_blocked().await?;
                waiting.cancel();
                Ok(())
            })
            .await?;
            // The operation that is left takes it.
            let client = TcpStream::connect(listener.local_addr()?).await?;
            wait_all_tasks_blocked().await?;
            let listener = match listener.into_owned().await {
                Err(listener) => listener,
                // It has come after the operation was stopped, and is in the backlog.
                Ok(socket) => TcpListener::from_owned(socket)?,
            };
            let server = listener.accept().await?;
            assert_eq!(server.peer_addr()?, client.local_addr()?);
            Ok(())
        });
        run.unwrap().unwrap();
    }
}
