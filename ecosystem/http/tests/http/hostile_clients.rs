//! Requests that nobody should send.

use crate::{
    client::{LAST, exchange, receive_all, status, text},
    meeting::Meeting,
};
use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    streams::{ByteSendStream, Split},
    task_group,
};
use anyio_http::{RequestBody, Server};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::cell::RefCell;

/// Says what it has understood.
async fn understand(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, anyio_http::BodyError> {
    let head = format!("{} {}", request.method(), request.uri());
    let body = request.into_body().collect().await?.to_bytes();
    Ok(text(format!("[{head}] {}", String::from_utf8_lossy(&body))))
}

#[anyio::test]
async fn odd_requests_are_refused_or_understood_in_one_way() -> Result<()> {
    let meeting = Meeting::new();
    let huge = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(20_000));
    // What is sent, and the status of what is answered; `None` where nothing is.
    let cases: &[(&str, Option<&str>)] = &[
        // Smuggling: two lengths that differ, and one beside an encoding, which counts alone and ends the connection.
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", Some("400")),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", Some("400")),
        // Continued lines, spaces before the colon, and no name.
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", Some("400")),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", Some("400")),
        ("GET / HTTP/1.1\r\n: h\r\n\r\n", Some("400")),
        ("GET / HTTP/1.1\r\nA: \0\r\n\r\n", Some("400")),
        ("GET / HTTP/9.9\r\n\r\n", Some("400")),
        ("GET  / HTTP/1.1\r\n\r\n", Some("400")),
        ("\x16\x03\x01\x02\0\x01\0\x01", Some("400")),
        ("PRI nonsense that is no preface\r\n\r\n", None),
        (&huge, Some("431")),
        (&many, Some("431")),
    ];
    task_group(async |tg| -> Result<()> {
        let server = tg.start_soon(async { Server::new().serve(&meeting, understand).await });
        for (request, expected) in cases {
            let (mut receive, mut send) = meeting.connect().split();
            // The server may close before it has read everything.
            drop(send.send(request.as_bytes().to_vec()).await);
            let mut bytes = Vec::new();
            while let Ok(Some(chunk)) = anyio::streams::ByteReceiveStream::receive(&mut receive).await {
                bytes.extend_from_slice(&chunk);
            }
            let answer = String::from_utf8_lossy(&bytes);
            let shown = &request[..request.len().min(80)];
            match expected {
                Some(expected) => assert_eq!(&status(&answer), expected, "{shown:?}: {answer}"),
                None => assert!(!answer.starts_with("HTTP/1.1"), "{shown:?}: {answer}"),
            }
            assert!(!server.is_finished());
        }
        // It goes on for others.
        assert!(exchange(meeting.connect(), LAST).await?.ends_with("[GET /] "));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_length_beside_an_encoding_smuggles_nothing() -> Result<()> {
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&meeting, understand).await });
        let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let answer = exchange(meeting.connect(), request).await?;
        // Read by the encoding alone: what follows the last chunk is a request of its own, or is not read.
        assert!(answer.contains("[POST /] abc") || status(&answer) == "400", "{answer}");
        assert!(!answer.contains("[POST /] 3\r\n"), "{answer}");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn chunks_that_others_may_read_otherwise_are_refused() -> Result<()> {
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        let server = tg.start_soon(async { Server::new().serve(&meeting, understand).await });
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        for chunks in [
            // Bare line ends, sizes that overflow or are no numbers, and bytes after the end of a chunk.
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3;a\nb\r\nabc\r\n0\r\n\r\n",
            "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
        ] {
            let answer = exchange(meeting.connect(), format!("{head}{chunks}")).await?;
            assert!(!answer.contains("[POST /] "), "{chunks:?}: {answer}");
            assert!(!server.is_finished());
        }
        let answer = exchange(meeting.connect(), format!("{head}3;a=b\r\nabc\r\n0\r\n\r\n")).await?;
        assert!(answer.ends_with("[POST /] abc"), "{answer}");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn bare_line_ends_of_a_head_hide_no_second_request() -> Result<()> {
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&meeting, understand).await });
        for request in [
            "GET /a HTTP/1.1\nHost: h\nConnection: close\n\n",
            "GET /a HTTP/1.1\r\nHost: h\nConnection: close\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: h\r\nX: y\rGET /b HTTP/1.1\r\nConnection: close\r\n\r\n",
        ] {
            let answer = exchange(meeting.connect(), request).await?;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
            assert!(!answer.contains("/b"), "{request:?}: {answer}");
        }
        // A head of almost as many bytes as are allowed is read.
        let large =
            format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nA: {}\r\n\r\n", "a".repeat(60_000));
        assert_eq!(status(&exchange(meeting.connect(), large).await?), "200");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn ten_thousand_half_requests_keep_nobody_waiting() -> Result<()> {
    let (meeting, server) = (Meeting::new(), Server::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, understand).await });
        let mut halves = Vec::new();
        for n in 0..10_000 {
            let (receive, mut send) = meeting.connect().split();
            send.send(["GET / HT", "P", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"][n % 3])
                .await?;
            halves.push((receive, send));
        }
        assert!(exchange(meeting.connect(), LAST).await?.ends_with("[GET /] "));
        assert_eq!(server.statistics().accepted_connections, 10_001);
        drop(halves);
        while server.statistics().connections > 0 {
            anyio::lowlevel::checkpoint().await?;
        }
        assert_eq!(server.statistics().requests, 0);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn hundreds_of_half_requests_keep_nobody_waiting() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&listener, understand).await });
        let mut halves = Vec::new();
        for n in 0..300 {
            let client = TcpStream::connect(address).await?;
            client
                .send(["GET / HT", "P", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"][n % 3])
                .await?;
            halves.push(client);
        }
        let mut client = TcpStream::connect(address).await?;
        client.send(LAST).await?;
        assert!(receive_all(&mut client).await?.ends_with("[GET /] "));
        assert_eq!(server.statistics().accepted_connections, 301);
        drop(halves);
        while server.statistics().connections > 0 {
            anyio::lowlevel::checkpoint().await?;
        }
        assert_eq!(server.statistics().requests, 0);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_connection_that_is_no_http_is_told_of_once() -> Result<()> {
    let (meeting, told) = (Meeting::new(), RefCell::new(Vec::new()));
    let server = Server::new().on_error(|error| told.borrow_mut().push(format!("{error:?}")));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, understand).await });
        let answer = exchange(meeting.connect(), "nothing of the kind\r\n\r\n".to_owned()).await?;
        assert_eq!(status(&answer), "400");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(told.borrow().len(), 1, "{told:?}");
    assert!(told.borrow()[0].starts_with("Connection("), "{told:?}");
    Ok(())
}
