//! Files as what is sent, and streams copied into each other.

use anyio::{
    CancelScope, Error, Result,
    fs::File,
    net::{TcpListener, TcpStream, UnixStream},
    streams::{BufferedByteStream, ByteReceiveStream, ByteSendStream, Split, copy_bidirectional},
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{cell::Cell, io::Write as _};

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 + place / 256) as u8).collect()
}

async fn file_of(bytes: &[u8]) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(File::from(file))
}

async fn tcp_pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

async fn receive_all(stream: &mut impl ByteReceiveStream) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        received.extend_from_slice(&chunk);
    }
    Ok(received)
}

/// Sends ranges of a file, short and long, and compares what comes.
async fn arrives<S: Split>(pair: impl AsyncFn() -> Result<(S, S)>) -> Result<()> {
    let bytes = content(5_000_000);
    let file = file_of(&bytes).await?;
    for range in [0..0, 0..1, 7..4096, 4095..70_001, 1..5_000_000] {
        let (receiving, sending) = pair().await?;
        let ((mut receive, _keep), (_also, mut send)) = (receiving.split(), sending.split());
        task_group(async |tg| -> Result<()> {
            let received = tg.start_soon(async { receive_all(&mut receive).await });
            let (result, sent) = send.send_file(&file, range.clone()).await;
            result?;
            assert_eq!(sent, range.end - range.start);
            send.send_eof().await?;
            assert!(received.await? == bytes[range.start as usize..range.end as usize]);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn what_is_sent_of_a_file_arrives_by_tcp() -> Result<()> {
    arrives(tcp_pair).await
}

#[anyio::test]
async fn what_is_sent_of_a_file_arrives_by_unix_sockets() -> Result<()> {
    arrives(async || UnixStream::pair()).await
}

#[anyio::test]
async fn a_head_goes_before_the_file() -> Result<()> {
    let (client, server) = tcp_pair().await?;
    let file = file_of(b"content").await?;
    for (range, expected) in [(0..7, "head content"), (3..3, "head ")] {
        let (result, sent) = server.send_file_after(b"head ", &file, range).await;
        result?;
        assert_eq!(sent as usize, expected.len());
        let mut received = Vec::new();
        while received.len() < expected.len() {
            received.extend_from_slice(&client.receive().await?.expect("there is more"));
        }
        assert_eq!(received, expected.as_bytes());
    }
    Ok(())
}

#[anyio::test]
async fn a_file_that_ends_too_soon_is_told_of_with_what_was_sent() -> Result<()> {
    let file = file_of(&content(1000)).await?;
    for range in [0..1001, 500..2_000_000, 3000..3001] {
        let (mut client, server) = tcp_pair().await?;
        let (result, sent) = server.send_file(&file, range.clone()).await;
        assert!(matches!(result, Err(Error::IncompleteRead)), "{result:?}");
        assert_eq!(sent, 1000u64.saturating_sub(range.start));
        server.close().await?;
        assert_eq!(receive_all(&mut client).await?.len() as u64, sent);
    }
    Ok(())
}

#[anyio::test]
async fn a_cancelled_file_goes_on_where_it_was_and_nothing_comes_twice() -> Result<()> {
    let bytes = content(20_000_000);
    let file = file_of(&bytes).await?;
    let (client, mut server) = tcp_pair().await?;
    let (scope, sent) = (CancelScope::new(), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async {
            let told = scope
                .run(async || anyio::Ok(server.send_file(&file, 0..bytes.len() as u64).await))
                .await?
                .expect("a value comes out");
            assert!(matches!(told.0, Err(Error::Cancelled(_))));
            sent.set(told.1);
            // Nobody has read, so it did not all fit.
            assert!(told.1 < bytes.len() as u64);
            let (result, rest) =
                ByteSendStream::send_file(&mut server, &file, told.1..bytes.len() as u64).await;
            assert_eq!(told.1 + rest, bytes.len() as u64);
            result?;
            server.close().await
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        let mut received = Vec::new();
        while let Some(chunk) = client.receive().await? {
            received.extend_from_slice(&chunk);
        }
        assert!(received == bytes);
        sending.await?;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_link_that_is_lost_is_an_error_and_nothing_worse() -> Result<()> {
    let file = file_of(&content(20_000_000)).await?;
    let (client, server) = tcp_pair().await?;
    drop(client);
    let (result, sent) = server.send_file(&file, 0..20_000_000).await;
    assert!(matches!(result, Err(Error::BrokenResource(_))), "{result:?}");
    assert!(sent < 20_000_000);
    server.send_eof().await.ok();
    let (result, sent) = server.send_file(&file, 0..1).await;
    assert!(result.is_err() && sent == 0);
    Ok(())
}

#[anyio::test]
async fn the_socket_waits_as_before_afterwards() -> Result<()> {
    let (client, server) = tcp_pair().await?;
    let file = file_of(b"x").await?;
    task_group(async |tg| -> Result<()> {
        // In flight while the file is sent.
        let received = tg.start_soon(async { Ok(server.receive().await?.unwrap().to_vec()) });
        wait_all_tasks_blocked().await?;
        server.send_file(&file, 0..1).await.0?;
        assert_eq!(client.receive().await?.unwrap(), "x");
        client.send("y").await?;
        assert_eq!(received.await?, b"y");
        Ok(())
    })
    .await?;
    // SAFETY: the call only asks.
    let mode = unsafe {
        libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&server)), libc::F_GETFL)
    };
    assert_eq!(mode & libc::O_NONBLOCK, 0);
    Ok(())
}

#[anyio::test]
async fn streams_of_other_kinds_copy_the_file() -> Result<()> {
    let bytes = content(200_000);
    let file = file_of(&bytes).await?;
    let (mut client, server) = tcp_pair().await?;
    let mut wrapped = BufferedByteStream::new(server);
    task_group(async |tg| -> Result<()> {
        let received = tg.start_soon(async { receive_all(&mut client).await });
        let (result, sent) = wrapped.send_file(&file, 100..200_000).await;
        result?;
        assert_eq!(sent, 199_900);
        let (result, sent) = wrapped.send_file(&file, 199_999..200_001).await;
        assert!(matches!(result, Err(Error::IncompleteRead)) && sent == 1);
        anyio::streams::ByteStream::close(wrapped).await?;
        assert!(received.await? == [&bytes[100..], &bytes[199_999..]].concat());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_proxy_passes_on_everything_and_each_end_by_itself() -> Result<()> {
    let ((client, inside), (outside, server)) = (tcp_pair().await?, UnixStream::pair()?);
    let question = content(3_000_000);
    let answer: Vec<u8> = content(2_000_000).into_iter().rev().collect();
    task_group(async |tg| -> Result<()> {
        let proxy = tg.start_soon(async { anyio::Ok(copy_bidirectional(inside, outside).await) });
        tg.start_soon(async {
            client.send(question.clone()).await?;
            client.send_eof().await
        });
        let mut received = Vec::new();
        while let Some(chunk) = server.receive().await? {
            received.extend_from_slice(&chunk);
        }
        assert!(received == question);
        // The other direction is open yet.
        tg.start_soon(async {
            server.send(answer.clone()).await?;
            server.send_eof().await
        });
        let mut received = Vec::new();
        while let Some(chunk) = client.receive().await? {
            received.extend_from_slice(&chunk);
        }
        assert!(received == answer);
        let (result, copied) = proxy.await?;
        assert_eq!((copied.forth, copied.back), (3_000_000, 2_000_000));
        result
    })
    .await?;
    Ok(())
}
