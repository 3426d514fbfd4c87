//! TLS.

use crate::{
    scratch::Folder,
    sentences::{
        Receiving, Sending, bytes_are_conserved, cancelled, cut_short, is_closed_in_any_case,
        nothing_is_lost, whole_is_cut_short,
    },
};
use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    streams::{
        ByteReceiveStream, ByteSendStream, Listener,
        tls::{self, ReloadingCertificate, TlsHandshake, TlsListener, TlsOptions, TlsStream},
    },
    task_group,
    testing::{MemoryByteStream, memory_stream_pair},
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::sync::{Arc, LazyLock};

struct Identity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: Vec<u8>,
    key_pem: String,
}

/// It certifies itself.
static LOCALHOST: LazyLock<Identity> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    Identity {
        certificate: certificate.der().clone(),
        certificate_pem: certificate.pem(),
        key: key.serialize_der(),
        key_pem: key.serialize_pem(),
    }
});

static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let key = PrivateKeyDer::try_from(LOCALHOST.key.clone()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![LOCALHOST.certificate.clone()], key).unwrap())
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add(LOCALHOST.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    Arc::new(builder.with_no_client_auth())
});

fn options() -> (TlsOptions, TlsOptions) {
    (TlsOptions::client(CLIENT.clone(), "localhost").unwrap(), TlsOptions::server(SERVER.clone()))
}

type Tls = TlsStream<MemoryByteStream>;

async fn wrapped() -> (Tls, Tls) {
    let (one, other) = memory_stream_pair();
    let (client, server) = options();
    let (client, server) =
        futures_util::join!(TlsStream::wrap(one, &client), TlsStream::wrap(other, &server));
    (client.unwrap(), server.unwrap())
}

#[anyio::test]
async fn no_byte_is_lost_in_records() {
    covers![
        "streams/tls/stream::TlsStream::receive",
        "streams/tls/stream::TlsStream::receive_at_most",
        "streams/tls/stream::TlsStream::receive_into",
        "streams/tls/stream::TlsStream::send",
        "streams/tls/stream::TlsStream::send_buf",
        "streams/tls/stream::TlsStream::send_some",
        "streams/tls/stream::TlsStream::send_vectored"
    ];
    bytes_are_conserved(Sending::Some, Receiving::Chunks, wrapped).await;
    bytes_are_conserved(Sending::All, Receiving::AtMost, wrapped).await;
    bytes_are_conserved(Sending::Buffer, Receiving::Into, wrapped).await;
    cut_short(
        wrapped,
        async |(sender, receiver)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async { sender.send_vectored(vec!["ab", "cd"]).await.0 });
                let mut count = 0;
                while count < 4 {
                    count += receiver.receive().await?.map_or(4, |chunk| chunk.len());
                }
                Ok(())
            })
            .await
        },
        async |(sender, receiver), _| {
            // What has begun is finished by the next call.
            sender.send("e").await.unwrap();
            drop(receiver);
        },
    )
    .await;
}

#[anyio::test]
async fn an_end_may_be_sent_again_and_what_is_below_is_closed_in_any_case() {
    covers![
        "streams/tls/stream::TlsStream::send_eof",
        "streams/tls/stream::TlsStream::close",
        "streams/tls/stream::TlsStream::unwrap"
    ];
    cut_short(
        wrapped,
        async |(stream, _)| stream.send_eof().await,
        async |(stream, peer), _| {
            stream.send_eof().await.unwrap();
            assert!(peer.receive().await.unwrap().is_none());
        },
    )
    .await;
    is_closed_in_any_case(wrapped, async |stream: Tls| stream.close().await).await;
    cancelled(
        async || {
            let (one, other) = wrapped().await;
            (Some(one), Some(other), 0)
        },
        async |(one, other, back)| {
            let (one_stream, other_stream) = (one.take().expect("once"), other.take().expect("once"));
            let (one_back, other_back) = futures_util::join!(one_stream.unwrap(), other_stream.unwrap());
            // Either the plain stream comes back, or the wrapped one.
            for result in [one_back, other_back] {
                *back += 1;
                result.map_err(|(error, _stream)| error)?;
            }
            anyio::Ok(())
        },
        async |(one, _, back), _| assert!(one.is_some() || back > 0),
    )
    .await;
}

#[anyio::test]
async fn a_handshake_goes_on_and_leaves_nothing_behind() {
    covers![
        "streams/tls/handshake::TlsHandshake::run",
        "streams/tls/handshake::TlsStream::wrap",
        "streams/tls/listener::TlsListener::accept",
        "net/tcp/tls::TcpStream::connect_tls"
    ];
    whole_is_cut_short(
        async || {
            let (one, other) = memory_stream_pair();
            let (client, server) = options();
            (TlsHandshake::new(one, &client).unwrap(), TlsHandshake::new(other, &server).unwrap())
        },
        async |(client, server)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(client.run());
                server.run().await
            })
            .await
        },
        async |(mut client, mut server), _| {
            let (one, other) = futures_util::join!(client.run(), server.run());
            one.unwrap();
            other.unwrap();
            let (Ok(mut client), Ok(mut server)) = (client.into_stream(), server.into_stream()) else {
                panic!("not ready")
            };
            ByteSendStream::send(&mut client, "hello").await.unwrap();
            assert_eq!(ByteReceiveStream::receive(&mut server).await.unwrap().unwrap(), "hello");
        },
    )
    .await;
    whole_is_cut_short(
        async || TlsListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), SERVER.clone()),
        async |listener| {
            let address = listener.get_ref().local_addr().unwrap();
            let port = address.port();
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async move {
                    let stream = TcpStream::connect_tls("localhost", port, CLIENT.clone()).await?;
                    drop(stream);
                    anyio::Ok(())
                });
                drop(listener.accept().await?);
                Ok(())
            })
            .await
        },
        async |listener, _| listener.close().await.unwrap(),
    )
    .await;
}

#[anyio::test]
async fn certificates_are_read_or_stay_as_they_were() {
    covers![
        "streams/tls/reloading_certificate::ReloadingCertificate::load",
        "streams/tls/reloading_certificate::ReloadingCertificate::reload",
        "streams/tls/client_config::client_config"
    ];
    let identity = |folder: &Folder| {
        std::fs::write(folder.join("certificate"), &LOCALHOST.certificate_pem).unwrap();
        std::fs::write(folder.join("key"), &LOCALHOST.key_pem).unwrap();
    };
    nothing_is_lost(identity, async |folder| {
        let certificate = ReloadingCertificate::load(folder.join("certificate"), folder.join("key")).await?;
        certificate.reload().await
    })
    .await;
    cut_short(
        async || (),
        async |()| {
            let _ = anyio::lowlevel::checkpoint().await;
            tls::client_config().await.map(drop)
        },
        async |(), _| (),
    )
    .await;
}
