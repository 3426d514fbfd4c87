//! Nothing is lost by cancelling, nor by dropping futures.

use super::{authority, wrapped};
use crate::peers::assert_receives;
use anyio::{
    CancelScope, Error, Result,
    net::UnixStream,
    streams::{
        Split,
        tls::{TlsHandshake, TlsStream},
    },
    task_group,
    testing::{lockstep_stream_pair, wait_all_tasks_blocked},
};
use futures_util::poll;
use std::{future::Future, pin::pin, task::Poll};

/// Runs an operation to its end, but drops its future each time that it has to wait, and calls it again.
async fn dropped_at_each_wait<T>(mut operation: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    loop {
        let polled = {
            let mut future = pin!(operation());
            poll!(future.as_mut())
        };
        match polled {
            Poll::Ready(result) => return result,
            Poll::Pending => anyio::sleep(std::time::Duration::from_micros(200)).await?,
        }
    }
}

/// The same, but cancels it when it has waited for a moment.
async fn cancelled_at_each_wait<T>(mut operation: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    loop {
        let scope = CancelScope::new();
        let ran = {
            let mut future = pin!(scope.run(async || operation().await));
            match poll!(future.as_mut()) {
                Poll::Ready(ran) => ran,
                Poll::Pending => {
                    anyio::sleep(std::time::Duration::from_micros(300)).await?;
                    scope.cancel();
                    future.await
                }
            }
        };
        if let Some(result) = ran? {
            return Ok(result);
        }
    }
}

/// All that comes until the end.
async fn all_of<S: Split>(stream: &TlsStream<S>) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        received.extend_from_slice(&chunk);
    }
    Ok(received)
}

/// Has handshakes and bytes in both directions interrupted at each wait.
async fn check<S: Split>(streams: (S, S), drops: bool) -> Result<()> {
    let options = authority::options();
    let mut client = TlsHandshake::new(streams.0, &options.0)?;
    let mut server = TlsHandshake::new(streams.1, &options.1)?;
    let (shaken, also) = futures_util::join!(
        async {
            if drops {
                dropped_at_each_wait(async || client.run().await).await
            } else {
                cancelled_at_each_wait(async || client.run().await).await
            }
        },
        async {
            if drops {
                dropped_at_each_wait(async || server.run().await).await
            } else {
                cancelled_at_each_wait(async || server.run().await).await
            }
        }
    );
    shaken?;
    also?;
    let (client, server) = (client.into_stream().unwrap(), server.into_stream().unwrap());
    let data: Vec<u8> = (0..400_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    for (from, to) in [(&client, &server), (&server, &client)] {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let mut sent = 0;
                while sent < data.len() {
                    let rest = data[sent..].to_vec();
                    // Of a dropped send it is not known what it has taken over, but nothing is torn; see below.
                    let (result, _) = from.send_some(rest).await;
                    sent += result?;
                }
                from.send_eof().await
            });
            let mut received = Vec::new();
            loop {
                let chunk = if drops {
                    dropped_at_each_wait(async || to.receive_at_most(10_000).await).await?
                } else {
                    cancelled_at_each_wait(async || to.receive_at_most(10_000).await).await?
                };
                let Some(chunk) = chunk else { break };
                received.extend_from_slice(&chunk);
            }
            assert!(received == data, "{} of {} bytes came as they were sent", received.len(), data.len());
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn handshakes_and_receives_that_are_dropped_at_each_wait_lose_nothing() -> Result<()> {
    check(UnixStream::pair()?, true).await
}

#[anyio::test]
async fn handshakes_and_receives_that_are_cancelled_at_each_wait_lose_nothing() -> Result<()> {
    check(UnixStream::pair()?, false).await?;
    check(lockstep_stream_pair(), false).await
}

#[anyio::test]
async fn sends_that_are_cancelled_at_each_wait_have_sent_what_they_say() -> Result<()> {
    for lockstep in [false, true] {
        if lockstep {
            check_cancelled_sends(wrapped(lockstep_stream_pair()).await?).await?;
        } else {
            check_cancelled_sends(wrapped(UnixStream::pair()?).await?).await?;
        }
    }
    Ok(())
}

async fn check_cancelled_sends<S: Split>((from, to): (TlsStream<S>, TlsStream<S>)) -> Result<()> {
    let data: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let mut sent = 0;
            while sent < data.len() {
                sent +=
                    cancelled_at_each_wait(async || from.send_some(data[sent..].to_vec()).await.0).await?;
            }
            cancelled_at_each_wait(async || from.send_eof().await).await
        });
        let received = all_of(&to).await?;
        assert!(received == data, "{} of {} bytes came as they were sent", received.len(), data.len());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn the_stream_is_whole_after_a_send_that_was_dropped() -> Result<()> {
    let (from, to) = wrapped(UnixStream::pair()?).await?;
    // More than the socket takes.
    let large = vec![b'x'; 2_000_000];
    {
        let mut sending = pin!(from.send(large.clone()));
        assert!(poll!(sending.as_mut()).is_pending());
        wait_all_tasks_blocked().await?;
        assert!(poll!(sending.as_mut()).is_pending());
    }
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            from.send("behind it").await?;
            from.close().await
        });
        let received = all_of(&to).await?;
        let whole = received.strip_suffix(b"behind it").expect("what is sent next comes last");
        assert!(whole.len() < large.len() && whole.iter().all(|&byte| byte == b'x'));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn closing_in_a_cancelled_scope_closes_the_stream_below() -> Result<()> {
    let (client, server) = wrapped(UnixStream::pair()?).await?;
    let scope = CancelScope::new();
    scope.cancel();
    scope.run(async || client.close().await).await?;
    assert!(matches!(server.receive().await, Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_peer_that_does_not_receive_does_not_hold_closing_up_for_ever() -> Result<()> {
    let (client, server) = wrapped(lockstep_stream_pair()).await?;
    assert!(matches!(client.close().await, Err(Error::TimedOut(_))));
    assert!(matches!(server.receive().await, Err(Error::BrokenResource(_))));
    Ok(())
}

/// Forgets an operation that waits.
async fn forget<T>(operation: impl Future<Output = Result<T>>) {
    let mut operation = Box::pin(operation);
    assert!(poll!(operation.as_mut()).is_pending());
    std::mem::forget(operation);
}

#[anyio::test]
async fn a_receive_that_is_forgotten_keeps_its_direction_and_nothing_else() -> Result<()> {
    check_forgotten(UnixStream::pair()?).await?;
    check_forgotten(super::connection().await?).await
}

async fn check_forgotten<S: Split>(streams: (S, S)) -> Result<()> {
    let (client, server) = wrapped(streams).await?;
    forget(client.receive()).await;
    assert!(matches!(client.receive().await, Err(Error::BusyResource(_))));
    client.send("still heard").await?;
    assert_eq!(server.receive().await?.unwrap(), "still heard");
    let (receive, send) = client.split();
    let client = receive.reunite(send).unwrap();
    client.close().await?;
    assert!(server.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_handshake_that_is_forgotten_can_be_given_up() -> Result<()> {
    let (client, server) = UnixStream::pair()?;
    let mut handshake = TlsHandshake::new(client, &authority::options().0)?;
    forget(handshake.run()).await;
    assert!(matches!(handshake.run().await, Err(Error::BusyResource(_))));
    drop(handshake.into_inner());
    let mut hello = Vec::new();
    // The other side hears the end. What was not received here breaks it off.
    while let Ok(Some(chunk)) = server.receive().await {
        hello.extend_from_slice(&chunk);
    }
    // How much of its first message had been sent nobody can tell.
    assert!(hello.iter().zip(&[22, 3, 1]).all(|(come, sent)| come == sent), "{hello:?}");
    Ok(())
}

#[anyio::test]
async fn a_cancelled_unwrap_gives_the_stream_back() -> Result<()> {
    let (client, server) = wrapped(UnixStream::pair()?).await?;
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let unwrapping = tg.start_soon(async {
            let mut given_back = None;
            let ran = scope.run(async || {
                let Err((error, client)) = client.unwrap().await else { panic!("the peer has not answered") };
                given_back = Some(client);
                Err::<(), _>(error)
            });
            assert!(ran.await?.is_none());
            Ok::<_, Error>(given_back.unwrap())
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        let client = unwrapping.await?;
        server.send_eof().await?;
        let (client, rest) = client.unwrap().await.map_err(|(error, _)| error)?;
        assert!(rest.is_none());
        let (server, _) = server.unwrap().await.map_err(|(error, _)| error)?;
        client.send("in the clear").await?;
        assert_receives!(server, "in the clear");
        Ok(())
    })
    .await?;
    Ok(())
}
