//! What goes wrong, and what is said of it.

use super::options;
use crate::{client::receive_until, meeting::Meeting};
use anyio::{
    CancelAware, CancelScope, Error, Result,
    net::TcpListener,
    streams::{ByteSendStream, Listener},
    task_group,
};
use anyio_http::{Client, ClientError, ClientErrorKind, ClientOptions, Proxies};
use std::{error::Error as StdError, rc::Rc};

/// Answers one request by these bytes, and ends the connection.
async fn failure_of(answer: &'static str) -> Result<ClientError> {
    let meeting = Rc::new(Meeting::new());
    let mut failed = None;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let mut stream = meeting.accept().await?;
            receive_until(&mut stream, "\r\n\r\n").await?;
            stream.send(answer).await
        });
        let failure = options(&meeting)
            .run(async |client| {
                Ok::<_, Error>(async { client.get("http://h/").send().await?.bytes().await }.await)
            })
            .await?;
        failed = Some(failure.expect_err("what is sent is no answer"));
        Ok(())
    })
    .await?;
    Ok(failed.unwrap())
}

#[anyio::test]
async fn answers_that_break_off_are_told_from_whole_ones() -> Result<()> {
    for answer in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "SSH-2.0-OpenSSH\r\n",
    ] {
        let error = failure_of(answer).await?;
        assert_eq!(error.kind(), ClientErrorKind::Transfer, "{answer:?}: {error:?}");
        assert!(error.source().is_some() && error.to_string().ends_with("(http://h/)"), "{error}");
    }
    Ok(())
}

#[anyio::test]
async fn what_cannot_be_sent_says_why() -> Result<()> {
    Client::run(async |client| {
        for url in ["", "nowhere", "http://", "ftp://h/", "http://h:99999/"] {
            let error = client.get(url).send().await.unwrap_err();
            assert!(
                matches!(error.kind(), ClientErrorKind::Request | ClientErrorKind::Connect),
                "{url}: {error:?}"
            );
        }
        let error = client.get("http://h/").header("a b", "c").send().await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Request);
        let error = client.get("http://h/").header("a", "b\nc").send().await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Request);
        anyio::Ok(())
    })
    .await?;
    // A name that is none is told where it would have been sent, and only there.
    ClientOptions::new()
        .user_agent("two\nlines")
        .run(async |client| {
            let error = client.get("http://127.0.0.1:9/").send().await.unwrap_err();
            assert_eq!(error.kind(), ClientErrorKind::Request, "{error:?}");
            let own = client.get("http://127.0.0.1:9/").header(http::header::USER_AGENT, "own");
            assert_eq!(own.send().await.unwrap_err().kind(), ClientErrorKind::Connect);
            anyio::Ok(())
        })
        .await
}

#[anyio::test]
async fn a_refused_connection_names_the_server() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    listener.close().await?;
    let options = ClientOptions::new().proxies(Proxies::none());
    options
        .run(async |client| {
            let url = format!("http://ada:secret@{address}/");
            let error = client.get(&url).send().await.unwrap_err();
            assert_eq!(error.kind(), ClientErrorKind::Connect);
            let text = format!("{error} {error:?}");
            assert!(text.contains(&address.to_string()) && !text.contains("secret"), "{text}");
            let error = Error::from(error);
            assert!(format!("{error}").contains(&address.to_string()), "{error}");
            anyio::Ok(())
        })
        .await
}

#[anyio::test]
async fn a_cancelled_request_is_a_cancellation() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    options(&meeting)
        .run(async |client| {
            let scope = CancelScope::new();
            scope.cancel();
            let mut kind = None;
            let ended = scope
                .run(async || {
                    let error = client.get("http://h/").send().await.unwrap_err();
                    kind = Some(error.kind());
                    assert!(error.is_cancelled());
                    Err::<(), _>(Error::from(error))
                })
                .await?;
            assert_eq!((ended, kind), (None, Some(ClientErrorKind::Cancelled)));
            anyio::Ok(())
        })
        .await
}
