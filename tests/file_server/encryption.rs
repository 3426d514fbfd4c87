//! HTTPS.

use crate::server::Server;
use anyio::{
    Error, Result, fail_after,
    net::TcpStream,
    sleep,
    streams::tls::{TlsStream, rustls::ClientConfig},
};
use rustls::{RootCertStore, crypto::ring};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

/// Nothing takes so long, unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A server with a certificate, which the clients with the configuration trust.
struct Encrypted {
    server: Server,
    config: Arc<ClientConfig>,
    _files: TempDir,
}

impl Encrypted {
    fn start(arguments: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = tempfile::tempdir().unwrap();
        let (certificate, key) = (files.path().join("certificate.pem"), files.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let server = Server::start(&[&["--certificate", certificate, "--key", key], arguments].concat());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { server, config: Arc::new(config), _files: files }
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        TcpStream::connect_tls("localhost", self.server.address().port(), self.config.clone()).await
    }

    /// The answer to a request after which the connection is closed.
    async fn ask(&self, path: &str) -> Result<String> {
        let stream = self.connect().await?;
        stream.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await?;
        let mut answer = Vec::new();
        while let Some(chunk) = stream.receive().await? {
            answer.extend_from_slice(&chunk);
        }
        stream.close().await?;
        Ok(String::from_utf8(answer).unwrap())
    }
}

#[anyio::test]
async fn connections_count_from_before_their_handshake() -> Result<()> {
    let encrypted = Encrypted::start(&["--connections-per-address", "2"]);
    encrypted.server.put("file", "contents");
    assert!(encrypted.ask("/file").await?.ends_with("\r\n\r\ncontents"));
    fail_after(LIMIT, async {
        // The one before may be counted yet.
        let mut silent = Vec::new();
        while encrypted.ask("/file").await.is_ok() {
            silent.push(TcpStream::connect(encrypted.server.address()).await?);
            assert!(silent.len() <= 2, "there is a place in spite of two connections");
        }
        silent.pop();
        while let Err(error) = encrypted.ask("/file").await {
            assert!(matches!(error, Error::BrokenResource(_)), "{error:?}");
            sleep(Duration::from_millis(5)).await?;
        }
        anyio::Ok(())
    })
    .await
}

#[anyio::test]
async fn a_client_that_has_not_begun_its_handshake_does_not_delay_the_end() -> Result<()> {
    let encrypted = Encrypted::start(&["--grace", "600"]);
    encrypted.server.put("file", "contents");
    let silent = TcpStream::connect(encrypted.server.address()).await?;
    let idle = encrypted.connect().await?;
    // The clients before it were accepted.
    encrypted.ask("/file").await?;
    encrypted.server.signal(libc::SIGTERM);
    fail_after(LIMIT / 4, async {
        assert!(silent.receive().await?.is_none());
        assert!(idle.receive().await?.is_none());
        idle.close().await?;
        let (status, _) = encrypted.server.wait().await;
        assert_eq!(status.code(), Some(0));
        anyio::Ok(())
    })
    .await
}

#[anyio::test]
async fn a_client_that_has_its_last_answer_and_does_not_go_is_left_after_a_while() -> Result<()> {
    let encrypted = Encrypted::start(&[]);
    for goes_on_sending in [false, true] {
        let stream = encrypted.connect().await?;
        stream.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await?;
        while stream.receive().await?.is_some() {}
        // The answer is here, and with it the server's last word. Now it waits for the client's.
        fail_after(LIMIT, async {
            if !goes_on_sending {
                sleep(Duration::from_secs(4)).await?;
            }
            while stream.send("still here").await.is_ok() {
                sleep(Duration::from_millis(50)).await?;
            }
            anyio::Ok(())
        })
        .await?;
    }
    Ok(())
}
