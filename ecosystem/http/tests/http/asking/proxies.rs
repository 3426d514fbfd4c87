//! Proxies, by one that speaks bytes.

use crate::{
    certificate::Certificate,
    client::{receive_until, text},
};
use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    streams::{ByteReceiveStream, ByteSendStream, tls::TlsListener},
    task_group,
};
use anyio_http::{ClientErrorKind, ClientOptions, Proxies, RequestBody, Server};
use http::Request;
use std::{cell::RefCell, error::Error as StdError};

/// Copies what comes until the end.
async fn copy(mut from: impl ByteReceiveStream, mut to: impl ByteSendStream) -> Result<()> {
    while let Ok(Some(chunk)) = from.receive().await {
        if to.send(chunk).await.is_err() {
            break;
        }
    }
    drop(to.send_eof().await);
    Ok(())
}

/// Serves one connection, and notes the heads of requests.
async fn pass_on(mut client: TcpStream, heads: &RefCell<Vec<String>>) -> Result<()> {
    let head = receive_until(&mut client, "\r\n\r\n").await?;
    let target = head.split(' ').nth(1).unwrap().to_owned();
    heads.borrow_mut().push(head.clone());
    if !head.starts_with("CONNECT") {
        return client
            .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nforwarded")
            .await;
    }
    if target.starts_with("forbidden") {
        return client.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
    }
    let server = TcpStream::connect(target.as_str()).await?;
    client.send("HTTP/1.1 200 Go on\r\n\r\n").await?;
    task_group(async |tg| -> Result<()> {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tg.start_soon(copy(from_client, to_server));
        tg.start_soon(copy(from_server, to_client));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn requests_are_handed_to_a_proxy_or_go_through_it() -> Result<()> {
    let certificate = Certificate::new();
    let (proxy, tcp) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let (address, port) = (proxy.local_addr()?, tcp.local_addr()?.port());
    let listener = TlsListener::new(tcp, certificate.server(&["h2", "http/1.1"]));
    let heads = RefCell::default();
    let say = async |request: Request<RequestBody>| anyio::Ok(text(format!("{:?}", request.version())));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            proxy.serve(async |client| pass_on(client, &heads).await).await?;
            anyio::Ok(())
        });
        tg.start_soon(async { Server::new().serve(&listener, &say).await });
        let proxies = Proxies::none().all(&format!("http://ada:secret@{address}"))?.except("127.0.0.1");
        let options = ClientOptions::new().proxies(proxies).tls(certificate.client());
        options
            .run(async |client| {
                let answer = client.get("http://far.example/away?x=1").send().await?;
                assert_eq!(answer.text().await?, "forwarded");
                let head = heads.borrow_mut().pop().unwrap().to_lowercase();
                assert!(head.starts_with("get http://far.example/away?x=1 http/1.1\r\n"), "{head}");
                assert!(head.contains("proxy-authorization: basic ywrhonnly3jlda==\r\n"), "{head}");
                // Through it, to a server that speaks HTTP/2 by TLS.
                let answer = client.get(format!("https://localhost:{port}/")).send().await?;
                assert_eq!(answer.text().await?, "HTTP/2.0");
                let head = heads.borrow_mut().pop().unwrap();
                assert!(head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{head}");
                assert!(head.contains("Proxy-Authorization: Basic YWRhOnNlY3JldA==\r\n"), "{head}");
                let error = client.get("https://forbidden.example/").send().await.unwrap_err();
                assert_eq!(error.kind(), ClientErrorKind::Connect);
                let cause = Error::from(error);
                let mut text = cause.to_string();
                let mut source = cause.source();
                while let Some(error) = source {
                    text = format!("{text}: {error}");
                    source = error.source();
                }
                assert!(text.contains("refused to connect to forbidden.example:443: 407"), "{text}");
                heads.borrow_mut().clear();
                // What is excepted is asked directly, where this is no HTTP without TLS.
                let direct = client.get(format!("http://127.0.0.1:{port}/")).send().await;
                assert_eq!(direct.unwrap_err().kind(), ClientErrorKind::Transfer);
                assert!(heads.borrow().is_empty());
                anyio::Ok(())
            })
            .await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn what_is_no_proxy_is_refused() {
    for proxy in ["", "localhost:3128", "socks5://h", "http://"] {
        assert!(Proxies::none().all(proxy).is_err(), "{proxy}");
    }
}
