//! Connections that go on as something else.

use crate::{
    client::{GET, exchange, receive_until, status, text},
    meeting::Meeting,
};
use anyio::{
    CancelScope, Result, current_time,
    net::{TcpListener, TcpStream},
    streams::{ByteReceiveStream, ByteSendStream},
    task_group,
};
use anyio_http::{RequestBody, Server, UpgradedStream, on_upgrade};
use bytes::Bytes;
use futures_util::AsyncReadExt;
use http::{Request, Response, StatusCode, header::UPGRADE};
use http_body_util::Full;
use std::{convert::Infallible, time::Duration};

async fn echo(stream: UpgradedStream) {
    let (read, mut write) = stream.split();
    drop(futures_util::io::copy(read, &mut write).await);
}

async fn upgrade(mut request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut answer = text("");
    match on_upgrade(&mut request, echo) {
        Ok(()) if request.uri().path() == "/no" => {}
        Ok(()) => {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            answer.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
        }
        Err(_) => *answer.status_mut() = StatusCode::UPGRADE_REQUIRED,
    }
    Ok(answer)
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

#[anyio::test]
async fn that_a_connection_is_upgraded_is_said_before_anything_else() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, upgrade).await });
        let mut client = TcpStream::connect(address).await?;
        client.send(ASK).await?;
        assert_eq!(status(&receive_until(&mut client, "\r\n\r\n").await?), "101");
        client.send("hello").await?;
        assert_eq!(receive_until(&mut client, "hello").await?, "hello");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn an_upgraded_connection_speaks_for_itself_until_the_grace_is_over() -> Result<()> {
    let (meeting, scope) = (Meeting::new(), CancelScope::new());
    let server = Server::new().grace(Duration::from_secs(3)).idle_timeout(Duration::from_secs(1));
    task_group(async |tg| -> Result<()> {
        let serving = tg
            .start_soon(async { scope.run(async || server.serve(&meeting, upgrade).await).await.map(drop) });
        let mut client = meeting.connect();
        // The first bytes come with the request.
        client.send(format!("{ASK}first")).await?;
        let answer = receive_until(&mut client, "first").await?;
        assert_eq!(status(&answer), "101");
        // It may be silent for as long as it likes.
        anyio::sleep(Duration::from_secs(60)).await?;
        client.send("second").await?;
        assert_eq!(receive_until(&mut client, "second").await?, "second");
        let before = current_time();
        scope.cancel();
        client.send("third").await?;
        assert_eq!(receive_until(&mut client, "third").await?, "third");
        serving.wait().await?;
        assert_eq!(current_time() - before, Duration::from_secs(3));
        assert!(!matches!(client.receive().await, Ok(Some(_))));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_refused_upgrade_leaves_the_connection_as_it_is() -> Result<()> {
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&meeting, upgrade).await });
        let both =
            format!("{}{}", ASK.replace("/ ", "/no "), GET.replace("Host", "Connection: close\r\nHost"));
        let answers = exchange(meeting.connect(), both).await?;
        let statuses: Vec<_> = answers.matches("HTTP/1.1 ").collect();
        assert_eq!(statuses.len(), 2, "{answers}");
        assert!(answers.contains("HTTP/1.1 200") && answers.contains("HTTP/1.1 426"), "{answers}");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
