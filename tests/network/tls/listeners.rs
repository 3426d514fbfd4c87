//! Listeners and connectables.

use super::authority::{self, LOCALHOST, TRUSTED, client_config};
use anyio::{
    CancelScope, Error, Result,
    net::{TcpConnectable, TcpListener, TcpStream, attribute::RemoteAddress},
    streams::{
        Attributes, BoxedListener, Connectable, Listener,
        tls::{
            ReloadingCertificate, TlsConnectable, TlsHandshake, TlsListener, TlsOptions, TlsStream,
            attribute::{PeerCertificates, StandardCompatible},
        },
    },
    sync::Event,
    task_group,
};
use rustls::ClientConfig;
use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

async fn listener() -> Result<(TlsListener<TcpListener>, SocketAddr)> {
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let address = tcp.local_addr()?;
    Ok((TlsListener::new(tcp, LOCALHOST.server_config()), address))
}

async fn greet(stream: TlsStream<TcpStream>) -> Result<()> {
    stream.send("hello").await?;
    stream.close().await
}

async fn check_greeted(address: SocketAddr) -> Result<()> {
    let options = TlsOptions::client(client_config(), "localhost")?;
    let stream = TlsConnectable::new(TcpConnectable::new(address), options).connect().await?;
    assert_eq!(stream.receive().await?.unwrap(), "hello");
    assert!(stream.receive().await?.is_none());
    stream.close().await
}

#[anyio::test]
async fn silent_clients_and_such_that_talk_nonsense_hold_nobody_up_and_are_told_of() -> Result<()> {
    let (listener, address) = listener().await?;
    let failures = Rc::new(RefCell::new(Vec::new()));
    let (told, all_told) = (failures.clone(), Rc::new(Event::new()));
    let done = all_told.clone();
    let listener =
        listener.handshake_limit(Duration::from_millis(500)).on_handshake_error(move |error, connection| {
            told.borrow_mut().push((error.to_string(), anyio::streams::extra::<RemoteAddress>(connection)));
            if told.borrow().len() == 3 {
                done.set();
            }
        });
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener.serve(greet).await?;
            Ok::<_, Error>(())
        });
        let silent = TcpStream::connect(address).await?;
        let noisy = TcpStream::connect(address).await?;
        // The server may have heard enough before that is all sent.
        let said = noisy.send("GET / HTTP/1.0\r\n\r\n").await;
        assert!(matches!(said, Ok(()) | Err(Error::BrokenResource(_))), "{said:?}");
        let gone = TcpStream::connect(address).await?;
        let addresses = [silent.local_addr()?, noisy.local_addr()?, gone.local_addr()?];
        gone.close().await?;
        for _ in 0..3 {
            check_greeted(address).await?;
        }
        all_told.wait().await?;
        let failures = failures.take();
        for (index, expected) in
            ["the time allowed was over", "refused by this side", "in the midst of"].iter().enumerate()
        {
            let (text, _) = failures
                .iter()
                .find(|(_, address)| *address == Some(addresses[index]))
                .unwrap_or_else(|| panic!("nothing was told of {}: {failures:?}", addresses[index]));
            assert!(text.contains(expected), "{text}");
        }
        assert!(silent.receive().await?.is_none(), "the silent one is disconnected");
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn who_has_said_nothing_is_not_waited_for_by_a_server_that_finishes() -> Result<()> {
    const LONG: Duration = Duration::from_secs(3600);
    let (listener, address) = listener().await?;
    let listener = listener.handshake_limit(LONG).on_handshake_error(|error, _| panic!("{error}"));
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let served = scope.run(async || -> Result<_> { Ok(listener.serve(greet).await?) }).await?;
            assert!(matches!(served, Some(None)), "served to the end, and not given up");
            anyio::Ok(())
        });
        let (silent, begun) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
        let options = TlsOptions::client(client_config(), "localhost")?;
        let mut begun = TlsHandshake::new(begun, &options)?;
        // Its first message is sent, and the answer not looked at.
        assert!(futures_util::poll!(std::pin::pin!(begun.run())).is_pending());
        // Clients are accepted in order.
        check_greeted(address).await?;
        scope.finish(LONG);
        assert!(silent.receive().await?.is_none());
        begun.run().await?;
        assert_eq!(begun.into_stream().unwrap().receive().await?.unwrap(), "hello");
        Ok(serving.await?)
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn what_no_connection_can_be_made_with_is_told_before_any_is_accepted() -> Result<()> {
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let mut config = LOCALHOST.server_config();
    config.max_fragment_size = Some(7);
    let served = TlsListener::new(tcp, config).serve(greet).await;
    let error = served.unwrap_err().into_first();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
    Ok(())
}

#[anyio::test]
async fn accepting_tells_of_a_failed_handshake_and_goes_on() -> Result<()> {
    let (listener, address) = listener().await?;
    assert_eq!(listener.extra::<StandardCompatible>(), Some(true));
    let noisy = TcpStream::connect(address).await?;
    noisy.send("nonsense, and enough of it").await?;
    let error = listener.accept().await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)) && error.concerns_one_connection(), "{error:?}");
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { greet(listener.accept().await?).await });
        check_greeted(address).await
    })
    .await?;
    listener.close().await
}

#[anyio::test]
async fn a_boxed_tls_listener_serves() -> Result<()> {
    let (listener, address) = listener().await?;
    let listener = BoxedListener::of_byte_streams(listener);
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let greet = async |mut stream: anyio::streams::BoxedByteStream| -> Result<()> {
                use anyio::streams::{ByteSendStream, ByteStream};
                stream.send("hello").await?;
                stream.close().await
            };
            listener.serve(greet).await?;
            Ok::<_, Error>(())
        });
        check_greeted(address).await?;
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_certificate_is_replaced_while_its_server_serves() -> Result<()> {
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let (certificates, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let write = async |identity: &authority::Identity| -> Result<()> {
        anyio::fs::write(&certificates, identity.certificate_pem.clone()).await?;
        anyio::fs::write(&key, identity.key_pem.clone()).await?;
        Ok(())
    };
    let missing = ReloadingCertificate::load(certificates.clone(), key.clone()).await.unwrap_err();
    assert!(missing.to_string().contains("certificate.pem"), "{missing}");
    let (first, second) = (TRUSTED.certify("localhost", |_| ()), TRUSTED.certify("localhost", |_| ()));
    write(&first).await?;
    let certificate = ReloadingCertificate::load(certificates.clone(), key.clone()).await?;
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let port = tcp.local_addr()?.port();
    let listener = TlsListener::new(tcp, certificate.server_config()?);
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener.serve(greet).await?;
            Ok::<_, Error>(())
        });
        let shown_by = async |config: Arc<ClientConfig>| -> Result<_> {
            let stream = TcpStream::connect_tls("localhost", port, config).await?;
            // With the tickets.
            assert_eq!(stream.receive().await?.unwrap(), "hello");
            Ok(stream.extra::<PeerCertificates>().unwrap())
        };
        let shown = async || shown_by(client_config().into()).await;
        let resuming = Arc::new(client_config());
        assert_eq!(shown_by(resuming.clone()).await?, std::slice::from_ref(&first.certificate));
        assert_eq!(shown().await?, std::slice::from_ref(&first.certificate));
        // A key of another certificate is refused, and so is what is no key; the old one stays.
        anyio::fs::write(&key, second.key_pem.clone()).await?;
        let error = certificate.reload().await.unwrap_err();
        assert!(
            error.to_string().contains("key.pem") && error.kind() == std::io::ErrorKind::InvalidData,
            "{error}"
        );
        anyio::fs::write(&key, "no key").await?;
        assert!(certificate.reload().await.unwrap_err().to_string().contains("key.pem"));
        assert_eq!(shown().await?, std::slice::from_ref(&first.certificate));
        write(&second).await?;
        certificate.clone().reload().await?;
        assert_eq!(shown().await?, std::slice::from_ref(&second.certificate));
        // A session that is resumed goes by what was shown when it was made.
        assert_eq!(shown_by(resuming).await?, std::slice::from_ref(&first.certificate));
        // Files that are gone, or empty, change nothing.
        anyio::fs::write(&certificates, "").await?;
        assert!(certificate.reload().await.unwrap_err().to_string().contains("certificate.pem"));
        std::fs::remove_file(&certificates)?;
        assert_eq!(certificate.reload().await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(shown().await?, std::slice::from_ref(&second.certificate));
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn connecting_by_tls_checks_the_hosts_name() -> Result<()> {
    let (listener, address) = listener().await?;
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener.serve(greet).await?;
            Ok::<_, Error>(())
        });
        let stream = TcpStream::connect_tls("localhost", address.port(), client_config()).await?;
        assert_eq!(stream.receive().await?.unwrap(), "hello");
        let error = TcpStream::connect_tls("127.0.0.1", address.port(), client_config()).await.unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "the certificate is not for the address: {error:?}");
        let error = TcpStream::connect_tls("no name", address.port(), client_config()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
