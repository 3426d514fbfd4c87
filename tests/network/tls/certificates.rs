//! What is refused, by whom, and what both sides hear of it.

use super::{
    authority::{self, Authority, Identity, LOCALHOST, TRUSTED, client_config, provider},
    connection, shake_hands,
};
use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    streams::{
        Attributes, Listener,
        tls::{
            TlsError, TlsListener, TlsOptions, TlsSide, TlsStream,
            attribute::{PeerCertificates, ServerName},
        },
    },
    task_group,
    testing::lockstep_stream_pair,
};
use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ServerConfig,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use std::sync::Arc;

fn tls_error<T>(result: Result<T>) -> TlsError {
    match result {
        Err(Error::Tls(error)) => *error,
        Err(error) => panic!("not an error of TLS: {error:?}"),
        Ok(_) => panic!("that should have been refused"),
    }
}

/// Checks that the client refuses a server, and that the server is told.
async fn check_refused(
    server: &Identity,
    name: &str,
    expected: impl Fn(&CertificateError) -> bool,
) -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let client = TlsOptions::client(client_config(), name)?;
        let server = TlsOptions::server(server.server_config_of(&[version]));
        let (refused, told) = shake_hands(connection().await?, &client, &server).await;
        let error = tls_error(refused);
        assert_eq!((error.refused_by(), error.in_handshake()), (TlsSide::Here, true));
        let rustls::Error::InvalidCertificate(cause) = error.cause() else { panic!("{error:?}") };
        assert!(expected(cause), "{cause:?}");
        assert!(error.to_string().starts_with("TLS handshake refused by this side: "), "{error}");
        // By TLS 1.3 the server hears of it when it is done itself, or just before.
        let told = match told {
            Ok(server) => tls_error(server.receive().await),
            told => tls_error(told),
        };
        assert_eq!(told.refused_by(), TlsSide::Peer);
        assert!(told.alert().is_some() && told.to_string().contains("refused by the peer"), "{told}");
    }
    Ok(())
}

#[anyio::test]
async fn a_certificate_outside_of_its_time_is_refused() -> Result<()> {
    let expired = TRUSTED.certify("localhost", |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    check_refused(&expired, "localhost", |cause| {
        matches!(cause, CertificateError::Expired | CertificateError::ExpiredContext { .. })
    })
    .await?;
    let early = TRUSTED.certify("localhost", |params| {
        params.not_before = date_time_ymd(3001, 1, 1);
        params.not_after = date_time_ymd(3002, 1, 1);
    });
    check_refused(&early, "localhost", |cause| {
        matches!(cause, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })
    })
    .await
}

#[anyio::test]
async fn a_certificate_of_another_name_or_use_is_refused() -> Result<()> {
    check_refused(&LOCALHOST, "example.org", |cause| {
        matches!(cause, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
    })
    .await?;
    let of_client = TRUSTED.certify("localhost", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    check_refused(&of_client, "localhost", |cause| {
        matches!(cause, CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. })
    })
    .await
}

#[anyio::test]
async fn a_certificate_that_nobody_trusted_has_signed_is_refused() -> Result<()> {
    let unknown = Authority::new().certify("localhost", |_| ());
    check_refused(&unknown, "localhost", |cause| {
        matches!(cause, CertificateError::UnknownIssuer | CertificateError::BadSignature)
    })
    .await?;
    check_refused(&Identity::self_signed("localhost"), "localhost", |cause| {
        matches!(cause, CertificateError::UnknownIssuer | CertificateError::BadSignature)
    })
    .await
}

#[anyio::test]
async fn an_address_is_certified_too_and_not_asked_for_by_name() -> Result<()> {
    let server = TRUSTED.certify("127.0.0.1", |params| {
        params.subject_alt_names.push(SanType::IpAddress("::1".parse().unwrap()));
    });
    for (name, is_certified) in [("127.0.0.1", true), ("[::1]", true), ("::1", true), ("127.0.0.2", false)] {
        let client = TlsOptions::client(client_config(), name)?;
        let server = TlsOptions::server(server.server_config());
        let (client, server) = shake_hands(connection().await?, &client, &server).await;
        match is_certified {
            true => {
                client?;
                assert_eq!(server?.extra::<ServerName>(), None, "{name}");
            }
            false => assert_eq!(tls_error(client).refused_by(), TlsSide::Here, "{name}"),
        }
    }
    Ok(())
}

#[anyio::test]
async fn whom_only_a_test_trusts_is_refused_by_the_usual_configuration() -> Result<()> {
    let client = TlsOptions::client(anyio::streams::tls::client_config().await?, "localhost")?;
    let server = TlsOptions::server(LOCALHOST.server_config());
    let (client, server) = shake_hands(connection().await?, &client, &server).await;
    let error = tls_error(client);
    assert!(matches!(error.cause(), rustls::Error::InvalidCertificate(_)), "{error}");
    let told = match server {
        Ok(server) => tls_error(server.receive().await),
        told => tls_error(told),
    };
    assert_eq!(told.refused_by(), TlsSide::Peer);
    Ok(())
}

fn asking_for_certificates() -> ServerConfig {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(TRUSTED.roots()), provider()).build().unwrap();
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![LOCALHOST.certificate.clone()], LOCALHOST.key())
        .unwrap()
}

#[anyio::test]
async fn a_client_shows_its_certificate_or_is_refused() -> Result<()> {
    let server = TlsOptions::server(asking_for_certificates());
    let identity = TRUSTED.certify("somebody", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(TRUSTED.roots())
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key())
        .unwrap();
    let client = TlsOptions::client(config, "localhost")?;
    let (client, accepting) = shake_hands(connection().await?, &client, &server).await;
    let (_client, accepting) = (client?, accepting?);
    assert_eq!(accepting.extra::<PeerCertificates>().unwrap(), [identity.certificate]);
    let (client, refusing) =
        shake_hands(connection().await?, &TlsOptions::client(client_config(), "localhost")?, &server).await;
    let error = tls_error(refusing);
    assert_eq!((error.refused_by(), error.cause()), (TlsSide::Here, &rustls::Error::NoCertificatesPresented));
    // By TLS 1.3 the client is done before the server has looked at its certificate.
    let told = tls_error(client?.receive().await);
    assert_eq!((told.refused_by(), told.in_handshake()), (TlsSide::Peer, false));
    assert_eq!(told.alert(), Some(AlertDescription::CertificateRequired));
    Ok(())
}

#[anyio::test]
async fn a_client_that_is_refused_while_it_sends_can_hear_why() -> Result<()> {
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let port = tcp.local_addr()?.port();
    let listener = TlsListener::new(tcp, asking_for_certificates());
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener
                .serve(async |_: TlsStream<TcpStream>| -> Result<()> { panic!("nobody has a certificate") })
                .await?;
            anyio::Ok(())
        });
        for _ in 0..10 {
            let client = TcpStream::connect_tls("localhost", port, client_config()).await?;
            let failure = loop {
                if let Err(failure) = client.send(vec![7; 100_000]).await {
                    break failure;
                }
            };
            assert!(matches!(failure, Error::BrokenResource(_)), "{failure:?}");
            let told = tls_error(client.receive().await);
            assert_eq!(told.alert(), Some(AlertDescription::CertificateRequired));
        }
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn sides_without_a_version_or_protocol_in_common_refuse_each_other() -> Result<()> {
    let client = TlsOptions::client(authority::client_config_of(&[&TLS13]), "localhost")?;
    let server = TlsOptions::server(LOCALHOST.server_config_of(&[&TLS12]));
    let (client, server) = shake_hands(lockstep_stream_pair(), &client, &server).await;
    assert_eq!(tls_error(client).alert(), Some(AlertDescription::ProtocolVersion));
    assert_eq!(tls_error(server).refused_by(), TlsSide::Here);
    let (mut client, mut server) = (client_config(), LOCALHOST.server_config());
    client.alpn_protocols = vec![b"one".to_vec()];
    server.alpn_protocols = vec![b"other".to_vec()];
    let (client, server) = (TlsOptions::client(client, "localhost")?, TlsOptions::server(server));
    let (client, server) = shake_hands(lockstep_stream_pair(), &client, &server).await;
    assert_eq!(tls_error(client).alert(), Some(AlertDescription::NoApplicationProtocol));
    assert_eq!(tls_error(server).cause(), &rustls::Error::NoApplicationProtocol);
    Ok(())
}

#[anyio::test]
async fn what_is_no_name_of_a_server_is_told_before_anything_is_sent() {
    let error = TlsOptions::client(client_config(), "no name").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("\"no name\""), "{error}");
    assert!(Error::from(std::io::Error::from(tls_as_error())).concerns_one_connection());
}

/// An error of TLS, to see that it survives conversions.
fn tls_as_error() -> Error {
    let mut connection = rustls::ServerConnection::new(Arc::new(LOCALHOST.server_config())).unwrap();
    connection.read_tls(&mut &b"no TLS"[..]).unwrap();
    Error::Io(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        connection.process_new_packets().unwrap_err(),
    ))
}
