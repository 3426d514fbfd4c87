//! Names of hosts and services.

use anyio::{
    Builder, Error, Result, lowlevel, move_on_after,
    net::{
        AddressFamily, AddressInfoFlags, ConnectedUdpSocket, NameInfoFlags, SocketType, TcpListener,
        TcpListenerOptions, TcpStream, UnixListener, as_connectable, getaddrinfo, getnameinfo, resolve,
    },
    streams::Connectable,
    task_group,
    testing::{free_tcp_port, free_udp_port, test_backends},
    to_thread,
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

fn addresses(text: &[&str]) -> Vec<SocketAddr> {
    text.iter().map(|text| text.parse().unwrap()).collect()
}

#[anyio::test]
async fn an_address_is_its_own_answer_without_a_thread() -> Result<()> {
    // Nothing but the driver could end a wait for a thread here.
    let found = getaddrinfo("127.0.0.1", "80").await?;
    assert_eq!(
        found.iter().map(|info| (info.socket_type, info.protocol)).collect::<Vec<_>>(),
        [(SocketType::Stream, 6), (SocketType::Datagram, 17), (SocketType::Raw, 0)]
    );
    assert!(found.iter().all(|info| info.address == addresses(&["127.0.0.1:80"])[0]));
    let found = getaddrinfo("::1", None).socket_type(SocketType::Datagram).await?;
    assert_eq!((found.len(), found[0].address), (1, addresses(&["[::1]:0"])[0]));
    assert_eq!(resolve("::1", 7).await?, addresses(&["[::1]:7"]));
    Ok(())
}

#[anyio::test]
async fn a_name_and_a_service_are_looked_up() -> Result<()> {
    let found = getaddrinfo("localhost", "80")
        .family(AddressFamily::V4)
        .socket_type(SocketType::Stream)
        .flags(AddressInfoFlags::CANONICAL_NAME)
        .await?;
    assert_eq!(found[0].address, addresses(&["127.0.0.1:80"])[0]);
    assert!(found[0].canonical_name.is_some());
    let everywhere =
        getaddrinfo(None, "80").family(AddressFamily::V4).flags(AddressInfoFlags::PASSIVE).await?;
    assert_eq!(everywhere[0].address, addresses(&["0.0.0.0:80"])[0]);
    Ok(())
}

#[anyio::test]
async fn what_cannot_be_found_is_named_in_the_error() -> Result<()> {
    let error = getaddrinfo("no-such-host.invalid", "80").await.unwrap_err();
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    assert!(matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::TimedOut), "{error:?}");
    let error = resolve("no-such-host.invalid", 80).await.unwrap_err();
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    assert!(matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::TimedOut), "{error:?}");
    let error = getaddrinfo("127.0.0.1", "80").family(AddressFamily::V6).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    let error = getaddrinfo("name", "80").flags(AddressInfoFlags::NUMERIC_HOST).await.unwrap_err();
    assert!(error.to_string().contains("name"), "{error}");
    let error = TcpStream::connect("a\u{fffd}b:80").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    Ok(())
}

#[anyio::test]
async fn numbers_are_given_for_addresses() -> Result<()> {
    let numbers = NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE;
    let address: SocketAddr = "[::1]:65000".parse().unwrap();
    assert_eq!(getnameinfo(address, numbers).await?, ("::1".to_owned(), "65000".to_owned()));
    let (host, service) = getnameinfo(address, NameInfoFlags::empty()).await?;
    assert!(!host.is_empty());
    assert_eq!(service, "65000", "no service has this number");
    Ok(())
}

/// A resolver of one name, which counts how often it is asked.
fn knows(
    name: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
) -> impl AsyncFn(&str, u16) -> Result<Vec<SocketAddr>> {
    async move |host: &str, port: u16| {
        lowlevel::checkpoint().await?;
        asked.lock().unwrap().push(host.to_owned());
        if host == name {
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        } else {
            Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, "not known here")))
        }
    }
}

#[test]
fn a_run_may_have_a_resolver_of_its_own() {
    for backend in test_backends() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let made = Arc::new(AtomicUsize::new(0));
        let (in_runs, count) = (asked.clone(), made.clone());
        let builder = Builder::new().backend(backend).resolver(move || {
            count.fetch_add(1, Ordering::SeqCst);
            knows("xn--bcher-kva.test", in_runs.clone())
        });
        for _ in 0..2 {
            builder
                .run(async || -> Result<()> {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let port = listener.local_addr()?.port();
                    let client = TcpStream::connect(("bücher.test", port)).await?;
                    assert_eq!(client.peer_addr()?, listener.local_addr()?);
                    let info = getaddrinfo("bücher.test", &*port.to_string()).await?;
                    assert_eq!(info[0].address, listener.local_addr()?);
                    let error = TcpStream::connect("other.test:1").await.unwrap_err();
                    assert!(error.to_string().contains("other.test"), "{error}");
                    assert_eq!(error.kind(), io::ErrorKind::NotFound);
                    Ok(())
                })
                .unwrap()
                .unwrap();
        }
        assert_eq!(made.load(Ordering::SeqCst), 2, "one for each run");
        assert_eq!(
            *asked.lock().unwrap(),
            ["xn--bcher-kva.test", "xn--bcher-kva.test", "other.test"].repeat(2)
        );
    }
}

#[test]
fn a_look_up_that_takes_for_ever_is_given_up() {
    for backend in test_backends() {
        let found = Builder::new()
            .backend(backend)
            .resolver(|| async |_: &str, _: u16| Err(anyio::sleep_forever().await.into()))
            .run(async || move_on_after(Duration::from_millis(1), resolve("slow.test", 1)).await)
            .unwrap();
        assert!(matches!(found, Ok(None)), "{found:?}");
    }
}

#[anyio::test]
async fn functions_that_block_all_threads_hold_no_look_up_up() -> Result<()> {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Arc::new(Mutex::new(ended));
    anyio::task_group(async |tg| -> Result<()> {
        let tokens = to_thread::current_default_thread_limiter().total_tokens();
        for _ in 0..tokens {
            let ended = ended.clone();
            tg.start_soon(async move {
                // Each waits until the other end is gone.
                to_thread::run_sync(move || ended.lock().unwrap().recv().is_err()).await?;
                anyio::Ok(())
            });
        }
        anyio::testing::wait_all_tasks_blocked().await?;
        assert!(!resolve("localhost", 80).await?.is_empty());
        drop(end);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn short_forms_stand_for_what_they_lead_to() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    as_connectable(("localhost", address.port())).connect().await?;
    as_connectable(("127.0.0.1".to_owned(), address.port())).connect().await?;
    as_connectable((address.ip(), address.port())).connect().await?;
    as_connectable(as_connectable(address)).connect().await?;
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let _listener = UnixListener::bind(&path).await?;
    as_connectable(AsRef::<std::path::Path>::as_ref(&path)).connect().await?;
    as_connectable(path.as_os_str().to_str().unwrap()).connect().await?;
    as_connectable(path).connect().await?;
    Ok(())
}

#[test]
fn a_free_port_is_free_and_given_once() {
    let ports: Vec<u16> = (0..50).map(|_| free_tcp_port().unwrap()).collect();
    let different: std::collections::HashSet<_> = ports.iter().collect();
    assert_eq!(different.len(), ports.len());
    let _bound = std::net::TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
    let _bound = std::net::UdpSocket::bind(("127.0.0.1", free_udp_port().unwrap())).unwrap();
}

#[anyio::test]
async fn a_name_of_any_length_is_told_shortly() {
    for long in ["a".repeat(70_000), "é".repeat(70_000)] {
        let errors = [
            resolve(&long, 80).await.map(drop).unwrap_err(),
            getaddrinfo(&*long, "80").await.map(drop).unwrap_err(),
            TcpStream::connect((&*long, 80)).await.map(drop).unwrap_err(),
            anyio::fs::metadata(&long).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().len() < 1000, "{error}");
            assert!(error.to_string().contains(" characters)"), "{error}");
        }
    }
}

#[test]
fn the_order_of_a_resolver_is_that_of_the_attempts() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    for backend in test_backends() {
        for v6_first in [true, false] {
            let builder = Builder::new().backend(backend).resolver(move || {
                async move |_: &str, port: u16| {
                    let mut found: Vec<SocketAddr> =
                        vec![([0, 0, 0, 0, 0, 0, 0, 1], port).into(), ([127, 0, 0, 1], port).into()];
                    if !v6_first {
                        found.reverse();
                    }
                    Ok(found)
                }
            });
            builder
                .run(async || -> Result<()> {
                    let listener = TcpListenerOptions::new().bind("[::1]:0").await?;
                    let port = listener.local_addr()?.port();
                    let other = TcpListener::bind(("127.0.0.1", port)).await?;
                    let client = TcpStream::connect(("both.test", port)).await?;
                    assert_eq!(client.peer_addr()?.is_ipv6(), v6_first);
                    let found = getaddrinfo("both.test", "7").socket_type(SocketType::Stream).await?;
                    assert_eq!(found.len(), 2);
                    assert_eq!(found[0].address.is_ipv6(), v6_first);
                    let socket = ConnectedUdpSocket::connect(("both.test", port)).await?;
                    assert_eq!(socket.peer_addr()?.is_ipv6(), v6_first);
                    // What is down is passed over.
                    let (first, second) = if v6_first { (listener, other) } else { (other, listener) };
                    first.close().await?;
                    let client = TcpStream::connect(("both.test", port)).await?;
                    assert_eq!(client.peer_addr()?.is_ipv6(), !v6_first);
                    drop(second);
                    Ok(())
                })
                .unwrap()
                .unwrap();
        }
    }
}

#[anyio::test]
async fn the_systems_answers_come_in_its_order() -> Result<()> {
    let expected: Vec<SocketAddr> = std::net::ToSocketAddrs::to_socket_addrs("localhost:80")?.collect();
    assert_eq!(resolve("localhost", 80).await?, expected);
    let found = getaddrinfo("localhost", "80").socket_type(SocketType::Stream).await?;
    assert_eq!(found.iter().map(|info| info.address).collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn names_are_encoded_before_anybody_is_asked() {
    for backend in test_backends() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let in_run = asked.clone();
        Builder::new()
            .backend(backend)
            .resolver(move || knows("nobody.test", in_run.clone()))
            .run(async || -> Result<()> {
                for name in
                    ["BÜCHER.test", "faß.test", "例え.テスト", "a。b", "xn--bcher-kva.test", "a_b.test"]
                {
                    let error = resolve(name, 1).await.unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}: {error}");
                    let error = getaddrinfo(name, "1").await.unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}: {error}");
                }
                for name in ["a b.test", "xn--\u{fffd}", "\u{200d}.test", "a\0b"] {
                    for error in
                        [resolve(name, 1).await.unwrap_err(), getaddrinfo(name, "1").await.unwrap_err()]
                    {
                        let kind = error.kind();
                        assert!(
                            matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::NotFound),
                            "{name:?}: {error:?}"
                        );
                    }
                }
                Ok(())
            })
            .unwrap()
            .unwrap();
        let asked = asked.lock().unwrap();
        let encoded = ["xn--bcher-kva.test", "xn--fa-hia.test", "xn--r8jz45g.xn--zckzah", "a.b"];
        for (number, name) in encoded.iter().enumerate() {
            assert_eq!((&*asked[2 * number], &*asked[2 * number + 1]), (*name, *name));
        }
        assert!(asked.iter().all(|name| name.is_ascii() && !name.contains('\0')), "{asked:?}");
    }
}

#[test]
fn addresses_that_name_an_interface_are_asked_of_no_resolver() {
    for backend in test_backends() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let in_run = asked.clone();
        Builder::new()
            .backend(backend)
            .resolver(move || knows("nobody.test", in_run.clone()))
            .run(async || -> Result<()> {
                let by_number = addresses(&["[fe80::1%1]:80"]);
                assert_eq!(resolve("fe80::1%1", 80).await?, by_number);
                let found = getaddrinfo("fe80::1%1", "80").socket_type(SocketType::Stream).await?;
                assert_eq!(found.iter().map(|info| info.address).collect::<Vec<_>>(), by_number);
                // The loopback interface has this name on Linux, and most have this number for it.
                match resolve("fe80::1%lo", 80).await {
                    Ok(found) => {
                        assert!(matches!(found[..], [SocketAddr::V6(found)] if found.scope_id() != 0))
                    }
                    Err(error) => assert!(error.to_string().contains("fe80::1%lo"), "{error}"),
                }
                for nothing in ["fe80::1%no-such-one", "fe80::1%99999999999"] {
                    let errors = [
                        resolve(nothing, 80).await.map(drop).unwrap_err(),
                        getaddrinfo(nothing, "80").await.map(drop).unwrap_err(),
                        TcpStream::connect((nothing, 80)).await.map(drop).unwrap_err(),
                    ];
                    for error in errors {
                        assert!(error.to_string().contains(nothing), "{error}");
                    }
                }
                Ok(())
            })
            .unwrap()
            .unwrap();
        assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
    }
}

#[test]
fn what_a_resolver_says_is_told_with_the_name_wherever_it_was_asked() {
    for backend in test_backends() {
        Builder::new()
            .backend(backend)
            .resolver(|| knows("nobody.test", Arc::default()))
            .run(async || {
                let errors = [
                    resolve("Some.test", 80).await.map(drop).unwrap_err(),
                    getaddrinfo("Some.test", "80").await.map(drop).unwrap_err(),
                    TcpStream::connect("Some.test:80").await.map(drop).unwrap_err(),
                ];
                for error in errors {
                    assert_eq!(error.kind(), io::ErrorKind::NotFound);
                    assert!(error.to_string().contains("Some.test"), "{error}");
                    assert!(error.to_string().contains("not known here"), "{error}");
                }
            })
            .unwrap();
    }
}

#[anyio::test]
async fn a_number_that_no_port_has_is_refused() -> Result<()> {
    for number in ["65536", "99999999999", "99999999999999999999999"] {
        for host in ["127.0.0.1", "localhost"] {
            let error = getaddrinfo(host, number).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(number), "{error}");
        }
    }
    assert_eq!(getaddrinfo("127.0.0.1", "65535").await?[0].address, addresses(&["127.0.0.1:65535"])[0]);
    Ok(())
}

#[test]
fn resolvers_that_find_nothing_hang_or_panic_concern_who_asked_alone() {
    for backend in test_backends() {
        let resolver = || {
            async |name: &str, port: u16| match name {
                "none.test" => Ok(Vec::new()),
                "hangs.test" => Err(anyio::sleep_forever().await.into()),
                "panics.test" => panic!("the resolver has panicked"),
                _ => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
            }
        };
        let builder = Builder::new().backend(backend).resolver(resolver);
        let run = || {
            builder.run(async || -> Result<()> {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let port = listener.local_addr()?.port();
                let none = TcpStream::connect(("none.test", port)).await.unwrap_err();
                assert!(none.to_string().contains("none.test"), "{none}");
                assert!(getaddrinfo("none.test", "1").await.is_err());
                task_group(async |tg| -> Result<()> {
                    for _ in 0..10 {
                        tg.start_soon(async {
                            let connecting = TcpStream::connect("hangs.test:1");
                            assert!(move_on_after(Duration::from_millis(1), connecting).await?.is_none());
                            Ok(())
                        });
                    }
                    TcpStream::connect(("works.test", port)).await.map(drop)
                })
                .await?;
                TcpStream::connect("panics.test:1").await.map(drop)
            })
        };
        for _ in 0..2 {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the resolver has panicked"));
        }
    }
}
