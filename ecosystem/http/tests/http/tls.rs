//! HTTP over TLS, where the protocols that a client offers choose the version. Without curl these tests say so, and test
//! nothing.

use anyio::{
    Result,
    net::TcpListener,
    process::Command,
    streams::tls::{TlsListener, rustls},
    task_group,
    tempfile::TemporaryDirectory,
};
use anyio_http::{RequestBody, Server};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::sync::Arc;

/// Gives back what is sent, and says by which version that was.
async fn echo(request: Request<RequestBody>) -> Result<Response<Full<bytes::Bytes>>, anyio_http::BodyError> {
    let version = format!("{:?}", request.version());
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::builder().header("version", version).body(Full::new(body)).unwrap())
}

#[anyio::test]
async fn curl_and_the_server_agree_on_a_version_by_tls() -> Result<()> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = TemporaryDirectory::new().await?;
    let authority = folder.path().join("authority.pem");
    authority.write_bytes(cert.pem().into_bytes()).await?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let (sent, received) = (folder.path().join("sent"), folder.path().join("received"));
    sent.write_bytes(bytes.clone()).await?;
    // What the server offers, what curl does, and the version that they come to.
    let cases: [(&[&str], &str, &str); 5] = [
        (&["h2", "http/1.1"], "--http1.1", "HTTP/1.1"),
        (&["h2", "http/1.1"], "--http2", "HTTP/2.0"),
        (&["http/1.1"], "--http2", "HTTP/1.1"),
        (&[], "--http2", "HTTP/1.1"),
        (&["h2"], "--http2", "HTTP/2.0"),
    ];
    for (protocols, option, version) in cases {
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://localhost:{}/", tcp.local_addr()?.port());
        let listener = TlsListener::new(tcp, config.clone());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { Server::new().serve(&listener, echo).await });
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--max-time", "60", option, "--cacert"]).arg(&authority);
            curl.args(["--write-out", "%header{version}", "--output"]).arg(&received);
            curl.arg("--upload-file").arg(&sent).arg(&url);
            match curl.output().await {
                Ok(output) => {
                    assert!(output.status.success(), "{option}: {}", String::from_utf8_lossy(&output.stderr));
                    assert_eq!(String::from_utf8_lossy(&output.stdout), version, "{protocols:?} {option}");
                    assert!(received.read_bytes().await? == bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    println!("there is no curl here")
                }
                Err(error) => return Err(error),
            }
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}
