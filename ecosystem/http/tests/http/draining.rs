//! The end of a server.

use crate::{
    client::{GET, LAST, get, http2, receive_all, receive_until, text},
    meeting::Meeting,
};
use anyio::{
    CancelScope, Error, Result, current_time, sleep,
    streams::{ByteReceiveStream, ByteSendStream},
    sync::Event,
    task_group,
    testing::wait_all_tasks_blocked,
};
use anyio_http::{RequestBody, Server};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{cell::Cell, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// Sleeps for as many seconds as the path says.
async fn sleeps(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>> {
    let seconds = request.uri().path()[1..].parse().unwrap_or(0);
    sleep(seconds * SECOND).await?;
    Ok(text("rested"))
}

fn sleeping(seconds: u32) -> String {
    GET.replace("/ ", &format!("/{seconds} "))
}

#[anyio::test(clock = "virtual")]
async fn idle_connections_end_at_once_and_requests_when_they_are_answered() -> Result<()> {
    let (meeting, scope) = (Meeting::new(), CancelScope::new());
    let server = Server::new().grace(10 * SECOND);
    let begun = current_time();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let served = scope.run(async || server.serve(&meeting, sleeps).await).await?;
            assert!(served.is_none());
            assert_eq!(current_time() - begun, 3 * SECOND);
            anyio::Ok(())
        });
        let (mut silent, mut idle, mut busy) = (meeting.connect(), meeting.connect(), meeting.connect());
        idle.send(GET).await?;
        receive_until(&mut idle, "rested").await?;
        busy.send(sleeping(3)).await?;
        let mut sender = http2(tg, meeting.connect()).await;
        let answer = sender.send_request(get("http://h/2"));
        let answered = tg.start_soon(async { anyio::Ok(answer.await.unwrap().status()) });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert!(silent.receive().await?.is_none());
        assert!(idle.receive().await?.is_none());
        assert_eq!(current_time(), begun);
        assert_eq!(answered.await?, 200);
        assert_eq!(current_time() - begun, 2 * SECOND);
        let answer = receive_all(&mut busy).await?;
        assert!(answer.contains("connection: close") && answer.ends_with("rested"), "{answer}");
        assert_eq!(current_time() - begun, 3 * SECOND);
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().cancelled, 0);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_scope_that_is_told_to_finish_gives_its_own_time() -> Result<()> {
    for (grace, is_answered) in [(5 * SECOND, true), (SECOND, false)] {
        let (meeting, scope) = (Meeting::new(), CancelScope::new());
        // Only a cancellation has the server's own time.
        let server = Server::new().grace(SECOND / 10);
        let begun = current_time();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let served = scope.run(async || server.serve(&meeting, sleeps).await).await?;
                assert_eq!(served.is_some(), is_answered);
                anyio::Ok(())
            });
            let (mut silent, mut idle, mut busy) = (meeting.connect(), meeting.connect(), meeting.connect());
            idle.send(GET).await?;
            receive_until(&mut idle, "rested").await?;
            busy.send(sleeping(3)).await?;
            wait_all_tasks_blocked().await?;
            scope.finish(grace);
            assert!(silent.receive().await?.is_none());
            assert!(idle.receive().await?.is_none());
            assert_eq!(current_time(), begun);
            let answer = receive_all(&mut busy).await;
            assert_eq!(answer.is_ok_and(|answer| answer.ends_with("rested")), is_answered);
            assert_eq!(current_time() - begun, grace.min(3 * SECOND));
            Ok(())
        })
        .await?;
        assert_eq!(server.statistics().cancelled, u64::from(!is_answered));
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_handler_with_nothing_to_do_but_wait_is_answered_for_while_finishing() -> Result<()> {
    let (meeting, scope) = (Meeting::new(), CancelScope::new());
    let server = Server::new();
    let handler = async |_request| -> Result<Response<Full<Bytes>>> {
        anyio::idle(sleep(100 * SECOND)).await?;
        Ok(text("never"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { scope.run(async || server.serve(&meeting, handler).await).await.map(drop) });
        let mut client = meeting.connect();
        client.send(GET).await?;
        wait_all_tasks_blocked().await?;
        scope.finish(10 * SECOND);
        let answer = receive_all(&mut client).await?;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_takes_longer_than_the_grace_is_cancelled_and_awaited() -> Result<()> {
    let (meeting, scope, begun) = (Meeting::new(), CancelScope::new(), Event::new());
    let was_cancelled = Cell::new(0);
    let server = Server::new().grace(2 * SECOND);
    let handler = async |_request| -> Result<Response<Full<Bytes>>> {
        begun.set();
        let ended = sleep(100 * SECOND).await;
        assert!(ended.is_err());
        // What is shielded is awaited.
        anyio::shield(sleep(SECOND)).await?;
        was_cancelled.set(was_cancelled.get() + 1);
        ended?;
        Ok(text("never"))
    };
    let before = current_time();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { scope.run(async || server.serve(&meeting, &handler).await).await.map(drop) });
        let mut client = meeting.connect();
        client.send(LAST).await?;
        let mut sender = http2(tg, meeting.connect()).await;
        let answer = sender.send_request(get("http://h/"));
        let refused = tg.start_soon(async { anyio::Ok(answer.await.is_err()) });
        begun.wait().await?;
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert!(refused.await?);
        let ended = client.receive().await;
        assert!(matches!(ended, Ok(None) | Err(Error::BrokenResource(_))), "{ended:?}");
        Ok(())
    })
    .await?;
    assert_eq!(was_cancelled.get(), 2);
    assert_eq!(current_time() - before, 3 * SECOND);
    assert_eq!(server.statistics().cancelled, 2);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_failed_listener_ends_serving_once_requests_are_answered() -> Result<()> {
    struct Once(Meeting, Event);
    impl anyio::streams::Listener for Once {
        type Stream = <Meeting as anyio::streams::Listener>::Stream;

        async fn accept(&self) -> Result<Self::Stream> {
            if self.1.is_set() {
                sleep(SECOND).await?;
                return Err(Error::ClosedResource);
            }
            self.1.set();
            self.0.accept().await
        }

        async fn close(self) -> Result<()> {
            Ok(())
        }
    }
    let listener = Once(Meeting::new(), Event::new());
    let mut client = listener.0.connect();
    client.send(sleeping(2)).await?;
    let served = Server::new().serve(&listener, sleeps).await;
    assert!(matches!(served, Err(Error::ClosedResource)));
    assert!(receive_all(&mut client).await?.ends_with("rested"));
    Ok(())
}
