//! Waiting for descriptors that are not anyio's.

use crate::peers::{Ticker, poll_once};
use anyio::{
    Builder, CancelScope, Error, Result,
    lowlevel::{self, Readiness, notify_closing, wait_readable, wait_writable},
    task_group,
    testing::test_backends,
};
use std::{
    cell::Cell,
    future::poll_fn,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    pin::pin,
    task::Poll,
    time::Duration,
};

fn pair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

/// Writes until there is no more room.
fn fill(mut stream: &UnixStream) {
    while stream.write(&[0; 4096]).is_ok() {}
}

/// Reads until there is nothing more.
fn drain(mut stream: &UnixStream) -> usize {
    let mut count = 0;
    while let Ok(some) = stream.read(&mut [0; 4096])
        && some > 0
    {
        count += some;
    }
    count
}

#[anyio::test]
async fn a_descriptor_is_readable_when_something_has_come_and_at_its_end() -> Result<()> {
    let (mut one, mut other) = pair();
    {
        let mut waiting = pin!(wait_readable(&other));
        Ticker::new().tick().await;
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        one.write_all(b"x")?;
        waiting.await?;
    }
    // Nothing was taken, so it still is.
    wait_readable(&other).await?;
    other.read_exact(&mut [0])?;
    drop(one);
    wait_readable(&other).await?;
    assert_eq!(other.read(&mut [0])?, 0);
    Ok(())
}

#[anyio::test]
async fn a_descriptor_is_writable_when_there_is_room() -> Result<()> {
    let (one, other) = pair();
    wait_writable(&one).await?;
    fill(&one);
    let mut waiting = pin!(wait_writable(&one));
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    Ticker::new().tick().await;
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    assert!(drain(&other) > 0);
    waiting.await
}

#[anyio::test]
async fn one_waits_for_each_direction_and_a_second_is_told() -> Result<()> {
    let (one, mut other) = pair();
    fill(&one);
    let mut reading = pin!(wait_readable(&one));
    let mut writing = pin!(wait_writable(&one));
    assert!(poll_once(reading.as_mut()).await.is_pending());
    assert!(poll_once(writing.as_mut()).await.is_pending());
    let Err(Error::BusyResource(doing)) = wait_readable(&one).await else { panic!() };
    assert!(doing.contains("readable"), "{doing}");
    let Err(Error::BusyResource(doing)) = wait_writable(&one).await else { panic!() };
    assert!(doing.contains("writable"), "{doing}");
    other.write_all(b"x")?;
    reading.await?;
    drain(&other);
    writing.await?;
    // The places are free again.
    wait_readable(&one).await?;
    wait_writable(&one).await
}

#[anyio::test]
async fn whoever_waits_is_told_that_the_descriptor_is_about_to_be_closed() -> Result<()> {
    let (one, _other) = pair();
    fill(&one);
    let readiness = Readiness::new(&one);
    let mut waits = [
        Box::pin(wait_readable(&one)) as std::pin::Pin<Box<dyn Future<Output = Result<()>>>>,
        Box::pin(wait_writable(&one)),
        Box::pin(readiness.readable()),
        Box::pin(readiness.writable()),
    ];
    for wait in &mut waits {
        assert!(poll_once(wait.as_mut()).await.is_pending());
    }
    Ticker::new().tick().await;
    notify_closing(&one);
    // The number is free for others at once.
    let mut next = pin!(wait_readable(&one));
    assert!(poll_once(next.as_mut()).await.is_pending());
    for wait in waits {
        assert!(matches!(wait.await, Err(Error::ClosedResource)));
    }
    assert!(poll_once(next.as_mut()).await.is_pending());
    assert!(matches!(wait_readable(&one).await, Err(Error::BusyResource(_))));
    notify_closing(&one);
    assert!(matches!(next.await, Err(Error::ClosedResource)));
    notify_closing(&one);
    Ok(())
}

#[anyio::test]
async fn closing_is_told_also_before_the_driver_has_had_its_turn_and_if_it_is_ready() -> Result<()> {
    let (mut one, other) = pair();
    let mut waiting = pin!(wait_readable(&other));
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    one.write_all(b"x")?;
    notify_closing(&other);
    assert!(matches!(waiting.await, Err(Error::ClosedResource)));
    wait_readable(&other).await
}

#[anyio::test]
async fn a_wait_that_was_cancelled_or_dropped_leaves_the_place_free() -> Result<()> {
    let (mut one, other) = pair();
    for submitted in [false, true] {
        let scope = CancelScope::new();
        let mut waiting = pin!(scope.run(async || wait_readable(&other).await));
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        if submitted {
            Ticker::new().tick().await;
        }
        scope.cancel();
        assert_eq!(waiting.await?, None);
        let mut dropped = Box::pin(wait_readable(&other));
        assert!(poll_once(dropped.as_mut()).await.is_pending());
        if submitted {
            Ticker::new().tick().await;
        }
    }
    one.write_all(b"x")?;
    wait_readable(&other).await
}

#[anyio::test]
async fn a_wait_goes_on_in_a_shield_that_came_up_after_the_cancellation() -> Result<()> {
    let (mut one, other) = pair();
    let scope = CancelScope::new();
    scope
        .run(async || -> Result<()> {
            let mut waiting = pin!(wait_readable(&other));
            assert!(poll_once(waiting.as_mut()).await.is_pending());
            scope.cancel();
            anyio::shield(async {
                Ticker::new().tick().await;
                assert!(poll_once(waiting.as_mut()).await.is_pending());
                one.write_all(b"x")?;
                waiting.await
            })
            .await
        })
        .await?;
    Ok(())
}

#[anyio::test]
async fn a_wait_does_not_begin_in_a_cancelled_scope() -> Result<()> {
    let (mut one, other) = pair();
    one.write_all(b"x")?;
    let scope = CancelScope::new();
    scope.cancel();
    assert_eq!(scope.run(async || wait_readable(&other).await).await?, None);
    Ok(())
}

#[anyio::test]
async fn several_wait_for_one_descriptor_each_with_its_own_readiness() -> Result<()> {
    let (mut one, other) = pair();
    let woken = Cell::new(0);
    let waits: Vec<_> = (0..3).map(|_| Readiness::new(&other)).collect();
    task_group(async |tg| -> Result<()> {
        for readiness in &waits {
            tg.start_soon(async {
                readiness.readable().await?;
                woken.set(woken.get() + 1);
                Ok(())
            });
        }
        Ticker::new().tick().await;
        assert_eq!(woken.get(), 0);
        one.write_all(b"x")?;
        Ok(())
    })
    .await?;
    assert_eq!(woken.get(), 3);
    Ok(())
}

#[anyio::test]
async fn readiness_is_polled_like_other_peoples_traits_do() -> Result<()> {
    let (mut one, other) = pair();
    let readiness = Readiness::new(other);
    poll_fn(|cx| {
        assert!(readiness.poll_readable(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    one.write_all(b"abc")?;
    poll_fn(|cx| readiness.poll_readable(cx)).await?;
    poll_fn(|cx| readiness.poll_writable(cx)).await?;
    let mut buffer = [0; 8];
    assert_eq!(readiness.read_with(|mut stream| stream.read(&mut buffer)).await?, 3);
    let mut more = Box::pin(readiness.read_with(|mut stream| stream.read(&mut [0; 8])));
    assert!(poll_once(more.as_mut()).await.is_pending());
    one.write_all(b"d")?;
    assert_eq!(more.await?, 1);
    assert_eq!(readiness.write_with(|mut stream| stream.write(b"x")).await?, 1);
    let other = readiness.into_inner();
    drop(one);
    drop(other);
    Ok(())
}

#[test]
fn what_was_polled_in_a_run_that_is_over_is_begun_anew() {
    for backend in test_backends() {
        let (mut one, other) = pair();
        let readiness = Readiness::new(other);
        let polled = Builder::new()
            .backend(backend)
            .run(async || poll_fn(|cx| Poll::Ready(readiness.poll_readable(cx).is_pending())).await);
        assert!(polled.unwrap());
        let readable = Builder::new().backend(backend).run(async || {
            poll_fn(|cx| {
                assert!(readiness.poll_readable(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            one.write_all(b"x").unwrap();
            poll_fn(|cx| readiness.poll_readable(cx)).await
        });
        readable.unwrap().unwrap();
    }
}

#[anyio::test]
async fn a_connection_that_is_made_elsewhere_is_awaited() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let mut accepting = pin!(wait_readable(&listener));
    assert!(poll_once(accepting.as_mut()).await.is_pending());
    let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    client.set_nonblocking(true)?;
    let begun = client.connect(&listener.local_addr()?.into());
    assert!(begun.is_ok() || begun.unwrap_err().raw_os_error() == Some(libc::EINPROGRESS));
    wait_writable(&client).await?;
    assert!(client.take_error()?.is_none());
    accepting.await?;
    let (server, _) = listener.accept()?;
    let client = TcpStream::from(client);
    server.set_nonblocking(true)?;
    assert_eq!((&server).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(client);
    wait_readable(&server).await?;
    assert_eq!((&server).read(&mut [0])?, 0);
    Ok(())
}

#[anyio::test]
async fn a_number_that_is_used_again_is_not_taken_for_what_it_was() -> Result<()> {
    for _ in 0..20 {
        let (one, other) = pair();
        let mut waiting = Box::pin(wait_readable(&other));
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        drop(waiting);
        drop((one, other));
        // These get the same numbers.
        let (mut one, other) = pair();
        let mut waiting = pin!(wait_readable(&other));
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        one.write_all(b"x")?;
        anyio::fail_after(Duration::from_secs(20), waiting).await?;
    }
    Ok(())
}

#[anyio::test]
async fn what_is_no_open_descriptor_is_an_error() -> Result<()> {
    // SAFETY: it is only waited for, and nobody else has so high a number.
    let closed = unsafe { std::os::fd::BorrowedFd::borrow_raw(19_999) };
    let error = wait_readable(closed).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{error:?}");
    assert_eq!(lowlevel::statistics().stale_completions, 0);
    Ok(())
}
