//! Connections that go on as something else.

use crate::{
    client::{GET, exchange, receive_until, status, text},
    meeting::Meeting,
};
use anyio::{
    CancelScope, Result, current_time, foreign,
    net::{TcpListener, TcpStream, UnixListener},
    streams::{ByteReceiveStream, ByteSendStream},
    task_group,
    tempfile::TemporaryDirectory,
    to_thread,
};
use anyio_http::{RequestBody, Server, UpgradedStream, on_upgrade};
use bytes::Bytes;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use http::{Request, Response, StatusCode, header::UPGRADE};
use http_body_util::Full;
use hyper::rt::{Read as _, ReadBuf, Write as _};
use std::{
    convert::Infallible,
    future::poll_fn,
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream as StdStream},
    path::Path,
    pin::Pin,
    task::{Poll, ready},
    thread,
    time::{Duration, Instant},
};

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

/// How many bytes answer one.
const PIECE: usize = 2000;

/// Asks until there is no room for the answer, then reads all answers. Gives how many bytes those have, and how many came.
fn ask_until_there_is_no_room(path: &Path) -> io::Result<(usize, usize)> {
    let mut client = StdStream::connect(path)?;
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    client.write_all(ASK.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    let waiting = |client: &StdStream| {
        let mut count: libc::c_int = 0;
        // SAFETY: the kernel writes a number there.
        unsafe { libc::ioctl(client.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        count as usize
    };
    let mut expected = 0;
    loop {
        client.write_all(b"?")?;
        expected += PIECE;
        let begun = Instant::now();
        while waiting(&client) < expected && begun.elapsed() < Duration::from_millis(300) {
            thread::sleep(Duration::from_millis(1));
        }
        if waiting(&client) < expected {
            break;
        }
    }
    let (mut came, mut buffer) = (0, vec![0; 65536]);
    while came < expected {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => came += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok((expected, came))
}

async fn assert_nothing_is_kept_back(
    handler: impl AsyncFn(Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible>,
) -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, &handler).await });
        let (expected, came) =
            to_thread::run_sync(move || ask_until_there_is_no_room(path.as_ref())).await??;
        assert_eq!(came, expected);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

fn agreed() -> Response<Full<Bytes>> {
    let mut answer = text("");
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
    answer
}

#[anyio::test]
async fn what_an_upgraded_connection_has_flushed_is_sent_though_it_only_reads_then() -> Result<()> {
    async fn answer_each(mut stream: UpgradedStream) {
        let mut byte = [0];
        while stream.read(&mut byte).await.is_ok_and(|count| count > 0) {
            stream.write_all(&[b'a'; PIECE]).await.unwrap();
            stream.flush().await.unwrap();
        }
    }
    assert_nothing_is_kept_back(async |mut request| {
        on_upgrade(&mut request, answer_each).unwrap();
        Ok(agreed())
    })
    .await
}

#[anyio::test]
async fn what_is_written_to_a_connection_as_hyper_gives_it_goes_on_while_it_is_read_from() -> Result<()> {
    async fn answer_each(upgrade: hyper::upgrade::OnUpgrade) -> Result<()> {
        let mut upgraded = upgrade.await.map_err(io::Error::other)?;
        let (mut owed, mut is_flushed) = (0, true);
        foreign(poll_fn(|cx| -> Poll<io::Result<()>> {
            loop {
                while owed > 0 {
                    owed -= ready!(Pin::new(&mut upgraded).poll_write(cx, &[b'a'; PIECE][..owed]))?;
                }
                // Once, as those do who take a flush at its word.
                if !std::mem::replace(&mut is_flushed, true) {
                    let _ = Pin::new(&mut upgraded).poll_flush(cx)?;
                }
                let mut byte = [0];
                let mut buffer = ReadBuf::new(&mut byte);
                ready!(Pin::new(&mut upgraded).poll_read(cx, buffer.unfilled()))?;
                if buffer.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                (owed, is_flushed) = (PIECE, false);
            }
        }))
        .await??;
        Ok(())
    }
    task_group(async |tg| -> Result<()> {
        assert_nothing_is_kept_back(async |mut request| {
            tg.start_soon(answer_each(hyper::upgrade::on(&mut request)));
            Ok(agreed())
        })
        .await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
