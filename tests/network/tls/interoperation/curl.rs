//! curl.

use super::{LARGE, data, files, has, listener, output_of};
use anyio::{Result, net::TcpStream, process::Command, streams::tls::TlsStream};

async fn answer_http(stream: TlsStream<TcpStream>) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Some(chunk) = stream.receive().await? else { return Ok(()) };
        request.extend_from_slice(&chunk);
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\nConnection: close\r\n\r\n");
    stream.send_vectored(vec![head.into_bytes(), data()]).await.0?;
    stream.close().await
}

#[anyio::test]
async fn curl_fetches_from_a_listener() -> Result<()> {
    if !has("curl", &["--version"]).await {
        return Ok(());
    }
    let folder = files().await?;
    for version in ["1.2", "1.3"] {
        let (listener, port) = listener().await?;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--http1.1", "--tls-max", version, "--cacert"])
            .arg(folder.path().join("authority.pem"))
            .arg(format!("https://localhost:{port}/"));
        assert!(output_of(listener, answer_http, &mut curl).await? == data(), "TLS {version}");
    }
    // Without the authority curl refuses the server, which survives that and hears why.
    let (listener, port) = listener().await?;
    let mut curl = Command::new("curl");
    curl.args(["--silent", &format!("https://localhost:{port}/")]).check(false);
    assert_eq!(output_of(listener, answer_http, &mut curl).await?, b"");
    Ok(())
}
