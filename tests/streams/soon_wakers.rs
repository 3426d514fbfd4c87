//! What is taken over to be sent, and wakers that come in between.

use super::soon::{assert_receives, fill, is_chaos};
use anyio::{Error, Result, net::UnixStream, sleep, streams::ByteSendStream};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::IoSlice,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

thread_local! {
    static DEED: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    static OTHER: RefCell<Option<UnixStream>> = const { RefCell::new(None) };
}

/// Does something of this thread's when woken.
struct Doer;

impl Wake for Doer {
    fn wake(self: Arc<Self>) {
        let deed = DEED.take();
        if let Some(deed) = deed {
            deed();
        }
    }
}

fn send_soon(stream: &mut UnixStream, waker: &Waker, bytes: &[u8]) -> Result<usize> {
    stream.send_soon(&mut Context::from_waker(waker), &[IoSlice::new(bytes)])
}

fn with_other<R>(deed: impl FnOnce(&mut UnixStream) -> R) -> R {
    OTHER.with_borrow_mut(|other| deed(other.as_mut().expect("it is there")))
}

/// Has a stream fail in a turn in which another sends behind it, and this done by the waker that is told of the failure.
async fn fail_and_do(deed: impl FnOnce() + 'static, room: bool) -> Result<(UnixStream, usize)> {
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    let (gone, mut failing) = UnixStream::pair()?;
    drop(gone);
    let (client, server) = UnixStream::pair()?;
    let filled = if room { 0 } else { fill(&server) };
    OTHER.set(Some(server));
    DEED.set(Some(Box::new(deed)));
    poll_fn(|_| -> Poll<Result<()>> {
        send_soon(&mut failing, &Arc::new(Doer).into(), b"fails")?;
        with_other(|other| send_soon(other, Waker::noop(), b"behind"))?;
        Poll::Ready(Ok(()))
    })
    .await?;
    while DEED.with_borrow(Option::is_some) {
        sleep(Duration::from_millis(1)).await?;
    }
    Ok((client, filled))
}

async fn receive_all(client: &UnixStream) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    while let Some(chunk) = client.receive().await? {
        received.extend_from_slice(&chunk);
    }
    Ok(received)
}

/// Receives what the other stream has sent once it says that this is all.
async fn receive_sent(client: &UnixStream, filled: usize) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    while received.len() < filled {
        received.extend_from_slice(&client.receive().await?.expect("more is to come"));
    }
    poll_fn(|cx| with_other(|other| other.poll_sent(cx))).await?;
    OTHER.take();
    received.extend_from_slice(&receive_all(client).await?);
    Ok(received.split_off(filled))
}

#[anyio::test]
async fn a_waker_that_asks_for_another_stream_has_nothing_sent_twice() -> Result<()> {
    for room in [false, true] {
        let ask = || {
            let _ = with_other(|other| other.poll_sent(&mut Context::from_waker(Waker::noop())));
        };
        let (client, filled) = fail_and_do(ask, room).await?;
        assert_eq!(receive_sent(&client, filled).await?, b"behind", "room: {room}");
    }
    Ok(())
}

#[anyio::test]
async fn a_waker_that_has_more_sent_by_another_stream_has_it_sent_behind() -> Result<()> {
    for room in [false, true] {
        let send = || {
            with_other(|other| {
                let _ = other.poll_sent(&mut Context::from_waker(Waker::noop()));
                let sent = send_soon(other, Waker::noop(), b"more");
                assert!(matches!(sent, Ok(4) | Err(Error::BusyResource(_))), "{sent:?}");
            });
        };
        let (client, filled) = fail_and_do(send, room).await?;
        let received = receive_sent(&client, filled).await?;
        assert!(matches!(&received[..], b"behind" | b"behindmore"), "room: {room}, {received:?}");
    }
    Ok(())
}

#[anyio::test]
async fn a_waker_that_drops_another_stream_holds_its_descriptor_no_longer() -> Result<()> {
    for room in [false, true] {
        let (client, filled) = fail_and_do(|| drop(OTHER.take()), room).await?;
        let received = receive_all(&client).await?;
        let sent = filled + if room { 6 } else { 0 };
        // Under chaos there may seem to be no room.
        assert!(received.len() == sent || is_chaos() && received.len() < sent, "{room}: {}", received.len());
    }
    Ok(())
}

#[anyio::test]
async fn what_a_waker_has_sent_while_others_leave_goes_out_though_nothing_else_happens() -> Result<()> {
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    let (gone, mut failing) = UnixStream::pair()?;
    drop(gone);
    let (client, server) = UnixStream::pair()?;
    OTHER.set(Some(server));
    DEED.set(Some(Box::new(|| {
        let sent = with_other(|other| send_soon(other, Waker::noop(), b"later"));
        assert!(matches!(sent, Ok(5)), "{sent:?}");
    })));
    let mut receiving = pin!(client.receive());
    poll_fn(|cx| {
        assert!(receiving.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    // What the system has to tell of the new stream is told by then.
    sleep(Duration::from_millis(2)).await?;
    let mut is_sent = false;
    let received = poll_fn(|cx| {
        if !is_sent {
            is_sent = true;
            let sent = send_soon(&mut failing, &Arc::new(Doer).into(), b"fails");
            assert!(sent.is_ok(), "{sent:?}");
        }
        receiving.as_mut().poll(cx)
    });
    let received = received.await?.expect("more is to come");
    let rest = &b"later"[received.len()..];
    assert!(b"later".starts_with(&received));
    assert_receives(rest, async || client.receive().await).await?;
    OTHER.take();
    Ok(())
}

/// Panics when woken.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("woken"));
    }
}

#[anyio::test]
async fn a_stream_that_goes_while_a_panic_unwinds_is_closed_though_wakers_panic() -> Result<()> {
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    let (client, mut server) = UnixStream::pair()?;
    let filled = fill(&server);
    let waker: Waker = Arc::new(Panics).into();
    poll_fn(|_| Poll::Ready(send_soon(&mut server, &waker, b"stuck"))).await?;
    sleep(Duration::from_millis(2)).await?;
    poll_fn(|_| {
        assert!(server.poll_sent(&mut Context::from_waker(&waker)).is_pending());
        Poll::Ready(())
    })
    .await;
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _server = server;
        std::panic::resume_unwind(Box::new("first"));
    }));
    assert_eq!(dropped.unwrap_err().downcast_ref::<&str>(), Some(&"first"));
    assert_eq!(receive_all(&client).await?.len(), filled);
    Ok(())
}
