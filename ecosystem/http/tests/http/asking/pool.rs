//! Connections that are kept.

use super::{bytes_of, options};
use crate::{client::text, meeting::Meeting};
use anyio::{Error, OnThread, Result, move_on_after, sleep, sleep_forever, streams::memory, task_group};
use anyio_http::{Client, ClientBody, RequestBody, Server};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, combinators::BoxBody};
use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Some bytes, and then nothing for ever.
struct Stalls(bool);

impl Body for Stalls {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun")))))
    }
}

async fn serve(request: Request<RequestBody>) -> Result<Response<BoxBody<Bytes, Infallible>>> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/waits" => return Err(sleep_forever().await.into()),
        "/stalls" => return Ok(Response::new(BoxBody::new(Stalls(false)))),
        "/takes" => drop(bytes_of(request).await?),
        _ => {}
    }
    Ok(text(path).map(BoxBody::new))
}

async fn ask(client: &Client, n: usize) -> Result<()> {
    let answer = client.get(format!("http://h/{n}")).send().await?.text().await?;
    assert_eq!(answer, format!("/{n}"));
    Ok(())
}

#[anyio::test]
async fn a_connection_is_used_again_and_ends_with_the_client() -> Result<()> {
    for only_http2 in [false, true] {
        let (meeting, server) = (Rc::new(Meeting::new()), Server::new());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { server.serve(&*meeting, serve).await });
            let options = options(&meeting).only_http2(only_http2);
            options
                .run(async |client| {
                    for n in 0..5 {
                        ask(client, n).await?;
                    }
                    assert_eq!(server.statistics().accepted_connections, 1);
                    assert_eq!(server.statistics().connections, 1);
                    anyio::Ok(())
                })
                .await?;
            while server.statistics().connections > 0 {
                anyio::lowlevel::checkpoint().await?;
            }
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Gives requests up in each of their states, by a scope and by dropping them, and looks whether others get their answers.
async fn give_up(client: &Client) -> Result<()> {
    let (_never, stream) = memory::channel::<Bytes>(0);
    let never = move || {
        let stream = anyio::streams::objects::ObjectBytes::new(stream.clone());
        ClientBody::from_stream(stream, None)
    };
    for n in 0..3 {
        // Waiting for the answer.
        let waiting = async { Ok::<_, Error>(client.get("http://h/waits").send().await?) };
        assert!(move_on_after(SECOND, waiting).await?.is_none());
        ask(client, n).await?;
        let mut dropped = Box::pin(client.get("http://h/waits").send());
        std::future::poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await;
        sleep(SECOND).await?;
        drop(dropped);
        ask(client, n).await?;
        // Half of the answer was read.
        let mut answer = client.get("http://h/stalls").send().await?;
        assert_eq!(answer.chunk().await?.unwrap(), "begun");
        assert!(move_on_after(SECOND, answer.chunk()).await?.is_none());
        ask(client, n).await?;
        drop(answer);
        ask(client, n).await?;
        let all = async { Ok::<_, Error>(client.get("http://h/stalls").send().await?.bytes().await?) };
        assert!(move_on_after(SECOND, all).await?.is_none());
        ask(client, n).await?;
        // Half of the request was sent.
        let sending = async { Ok::<_, Error>(client.post("http://h/takes").body(never()).send().await?) };
        assert!(move_on_after(SECOND, sending).await?.is_none());
        ask(client, n).await?;
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn requests_that_are_given_up_leave_the_pool_sound() -> Result<()> {
    for only_http2 in [false, true] {
        let (meeting, server) = (Rc::new(Meeting::new()), Server::new());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { server.serve(&*meeting, serve).await });
            options(&meeting)
                .only_http2(only_http2)
                .run(async |client| {
                    give_up(client).await?;
                    sleep(SECOND).await?;
                    // What was given up is neither handled nor answered any more.
                    assert_eq!(server.statistics().requests, 0);
                    assert_eq!(server.statistics().connections, 1);
                    anyio::Ok(())
                })
                .await?;
            let connections = server.statistics().accepted_connections;
            assert!(if only_http2 { connections == 1 } else { connections >= 12 }, "{connections}");
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_connection_that_the_server_has_closed_is_replaced() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let server = Server::new().idle_timeout(SECOND);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&*meeting, serve).await });
        options(&meeting)
            .run(async |client| {
                for n in 0..3 {
                    ask(client, n).await?;
                    sleep(10 * SECOND).await?;
                }
                assert_eq!(server.statistics().accepted_connections, 3);
                anyio::Ok(())
            })
            .await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn idle_connections_are_closed_in_time() -> Result<()> {
    let (meeting, server) = (Rc::new(Meeting::new()), Server::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&*meeting, serve).await });
        let client = options(&meeting).idle_timeout(5 * SECOND).in_group(tg);
        ask(&client, 1).await?;
        assert_eq!(server.statistics().connections, 1);
        sleep(20 * SECOND).await?;
        assert_eq!(server.statistics().connections, 0);
        ask(&client, 2).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn many_tasks_share_a_client() -> Result<()> {
    let (meeting, server) = (Rc::new(Meeting::new()), Server::new());
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async { server.serve(&*meeting, serve).await });
        let ended = task_group(async |tg| -> Result<()> {
            let client = options(&meeting).in_group(tg);
            for task in 0..20 {
                let client = client.clone();
                tg.start_soon(async move {
                    for n in 0..10 {
                        ask(&client, 100 * task + n).await?;
                    }
                    anyio::Ok(())
                });
            }
            Ok(())
        });
        // The group ends by itself with the last client.
        ended.await?;
        assert_eq!(server.statistics().accepted_requests, 200);
        assert!(server.statistics().accepted_connections <= 20);
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_client_is_state_of_what_demands_send() -> Result<()> {
    fn demands_send<T: Send + Sync + Clone + 'static>(value: T) -> T {
        value
    }

    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, serve).await });
        let client = demands_send(OnThread::new(options(&meeting).in_group(tg)));
        let body = client.get("http://h/there").send().await?.into_body();
        // As the body of an answer of axum's, for one.
        let body = axum::body::Body::new(body);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "/there");
        drop(client);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
