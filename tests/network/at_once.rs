//! What can be done at once, and what cannot.

use anyio::{
    CancelScope, Error, Result,
    net::{TcpListener, TcpStream, UnixStream},
    streams::{
        BoxedByteStream, BufferedByteStream, ByteReceiveStream, ByteSendStream, StapledByteStream,
        tls::TlsStream,
    },
    task_group,
    testing::{memory_stream_pair, wait_all_tasks_blocked},
};
use std::cell::Cell;

async fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

/// Receives at once, as soon as there is something.
async fn soon(stream: &mut impl ByteReceiveStream, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match stream.receive_nowait(&mut &mut buffer[..]) {
            Err(Error::WouldBlock) => anyio::lowlevel::checkpoint().await?,
            received => return received,
        }
    }
}

/// Fills a buffer like that. A system may have less there than was sent.
async fn soon_filled(stream: &mut impl ByteReceiveStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match soon(stream, &mut buffer[filled..]).await? {
            0 => return Err(Error::IncompleteRead),
            count => filled += count,
        }
    }
    Ok(())
}

async fn check(mut stream: impl ByteReceiveStream, mut peer: impl ByteSendStream) -> Result<()> {
    let mut buffer = [0; 4];
    assert!(matches!(stream.receive_nowait(&mut &mut buffer[..]), Err(Error::WouldBlock)));
    peer.send("hello, all").await?;
    assert_eq!(stream.receive_nowait(&mut [0; 0].as_mut_slice())?, 0);
    soon_filled(&mut stream, &mut buffer).await?;
    assert_eq!(&buffer, b"hell");
    // What is kept comes first.
    assert_eq!(stream.receive_at_most(1).await?.unwrap(), "o");
    soon_filled(&mut stream, &mut buffer).await?;
    assert_eq!(&buffer, b", al");
    assert_eq!(stream.receive().await?.unwrap(), "l");
    let scope = CancelScope::new();
    scope.cancel();
    let cancelled = scope.run(async || stream.receive_nowait(&mut &mut buffer[..]));
    assert!(cancelled.await?.is_none());
    peer.send_eof().await?;
    assert_eq!(soon(&mut stream, &mut buffer).await?, 0);
    assert!(stream.receive().await?.is_none());
    assert_eq!(stream.receive_nowait(&mut &mut buffer[..])?, 0);
    Ok(())
}

#[anyio::test]
async fn what_is_there_is_received_at_once_and_nothing_is_waited_for() -> Result<()> {
    let (client, server) = connection().await?;
    check(client, server).await?;
    let (client, server) = UnixStream::pair()?;
    check(client.split().0, server.split().1).await?;
    let (client, server) = connection().await?;
    let (receive, send) = client.split();
    check(StapledByteStream::new(send, receive), server).await?;
    let (client, server) = connection().await?;
    check(BoxedByteStream::new(client), server).await?;
    let (mut client, server) = connection().await?;
    check(&mut client, server).await?;
    let (client, server) = connection().await?;
    let mut client = BufferedByteStream::new(client);
    server.send("line\nrest").await?;
    assert_eq!(client.receive_until(b"\n", 10).await?, "line");
    let mut buffer = [0; 2];
    soon_filled(&mut client, &mut buffer).await?;
    assert_eq!(&buffer, b"re");
    assert_eq!(client.receive_exactly(2).await?, "st");
    check(client, server).await?;
    // What cannot tell says so.
    let (mut client, _server) = memory_stream_pair();
    assert!(matches!(client.receive_nowait(&mut &mut buffer[..]), Err(Error::Unsupported(_))));
    Ok(())
}

#[anyio::test]
async fn what_is_in_flight_is_not_overtaken_and_comes_in_its_order() -> Result<()> {
    let (mut client, server) = connection().await?;
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let receiving = tg.start_soon(scope.run(async || client.receive().await));
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert!(receiving.await?.is_none());
        Ok(())
    })
    .await?;
    let mut buffer = [0; 100];
    assert!(matches!(client.receive_nowait(&mut &mut buffer[..]), Err(Error::WouldBlock)));
    server.send("one").await?;
    let mut received = Vec::new();
    while received.len() < 3 {
        let count = soon(&mut client, &mut buffer).await?;
        received.extend_from_slice(&buffer[..count]);
    }
    server.send("two").await?;
    while received.len() < 6 {
        let count = soon(&mut client, &mut buffer).await?;
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(received, b"onetwo");
    Ok(())
}

#[anyio::test]
async fn a_lost_link_is_told_at_once_and_again() -> Result<()> {
    let (mut client, server) = connection().await?;
    server.set_linger(Some(std::time::Duration::ZERO))?;
    drop(server);
    let mut buffer = [0; 10];
    for _ in 0..2 {
        assert!(matches!(soon(&mut client, &mut buffer).await, Err(Error::BrokenResource(_))));
    }
    assert!(matches!(client.receive().await, Err(Error::BrokenResource(_))));
    Ok(())
}

/// A task that counts its turns, beside a body that never has to wait.
async fn turns_of_another(body: impl AsyncFnOnce() -> Result<()>) -> Result<u32> {
    let turns = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let counting = tg.start_soon(async {
            loop {
                turns.set(turns.get() + 1);
                anyio::lowlevel::checkpoint().await?;
            }
            #[expect(unreachable_code, reason = "it tells the type")]
            anyio::Ok(())
        });
        body().await?;
        counting.cancel();
        Ok(())
    })
    .await?;
    Ok(turns.get())
}

#[anyio::test(calm = "it counts turns")]
async fn a_tls_stream_on_which_nothing_has_to_wait_leaves_others_their_turns() -> Result<()> {
    let (client, server) = connection().await?;
    let (client, server): (TlsStream<_>, TlsStream<_>) = super::tls::wrapped((client, server)).await?;
    // As much as there is room for.
    let mut sent = 0;
    let piece = vec![b'x'; 16_384];
    loop {
        let sending = async { client.send_some(piece.clone()).await.0 };
        match anyio::move_on_after(std::time::Duration::from_millis(200), sending).await? {
            Some(count) => sent += count,
            None => break,
        }
    }
    assert!(sent > 1_000_000, "{sent}");
    let mut received = 0;
    let turns = turns_of_another(async || {
        while received < 800_000 {
            received += server.receive().await?.unwrap().len();
        }
        Ok(())
    });
    assert!(turns.await? > 0);
    Ok(())
}
