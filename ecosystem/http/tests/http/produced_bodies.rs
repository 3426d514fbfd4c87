//! Bodies that a task makes.

use crate::{asking::options, meeting::Meeting};
use anyio::{
    Error, Result, current_time, move_on_after, shield, sleep, sleep_forever, streams::memory, task_group,
};
use anyio_http::{ConnectionError, ProducedBody, RequestBody, Server, produce_body};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use std::{rc::Rc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

type Events = memory::SendStream<String>;

fn note(events: &Events, event: impl Into<String>) {
    events.send_nowait(event.into()).unwrap();
}

/// Does what the path says.
async fn make(request: Request<RequestBody>, events: &Events) -> Result<Response<ProducedBody>> {
    let path = request.uri().path().to_owned();
    let events = events.clone();
    Ok(produce_body(Response::new(()), async move |body| match path.as_str() {
        "/counts" => {
            for number in 0..5 {
                body.send(format!("{number} ")).await?;
                sleep(SECOND).await?;
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("checked", "yes".parse().unwrap());
            body.send_trailers(trailers).await
        }
        "/floods" => loop {
            body.send(vec![7; 16 * 1024]).await?;
            note(&events, "sent");
        },
        "/fails" => {
            body.send("begun").await?;
            // Until the client has it: a broken connection or stream loses what is on its way.
            sleep(SECOND).await?;
            Err(Error::EndOfStream)
        }
        "/panics" => {
            body.send("begun").await?;
            sleep(SECOND).await?;
            panic!("as it was told");
        }
        _ => {
            body.send("begun").await?;
            let cancelled = sleep_forever().await;
            shield(sleep(SECOND)).await?;
            note(&events, "has cleaned up");
            Err(cancelled.into())
        }
    }))
}

/// Runs a body with a server and a client of each version of HTTP.
async fn with_both(
    body: impl AsyncFn(&anyio_http::Client, &memory::ReceiveStream<String>) -> Result<()>,
) -> Result<()> {
    for only_http2 in [false, true] {
        let meeting = Rc::new(Meeting::new());
        let (sender, events) = memory::unbounded();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                // That clients go is what some of these are about.
                let server = Server::new().on_error(|error| match error {
                    ConnectionError::Connection(_) => {}
                    _ => note(&sender, error.to_string()),
                });
                server.serve(&*meeting, async |request| make(request, &sender).await).await
            });
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            body(&client, &events).await?;
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn pieces_come_as_they_are_made_and_trailers_after_them() -> Result<()> {
    with_both(async |client, _| {
        let begun = current_time();
        let mut answer = client.get("http://h/counts").send().await?;
        assert_eq!(current_time(), begun, "the head comes at once");
        for number in 0..5 {
            assert_eq!(answer.chunk().await?.unwrap(), format!("{number} "));
            assert_eq!(current_time() - begun, number * SECOND);
        }
        let version = answer.version();
        let collected = answer.into_body().collect().await?;
        assert_eq!(current_time() - begun, 5 * SECOND);
        // In HTTP/1.1 they have to be announced.
        if version == http::Version::HTTP_2 {
            assert_eq!(collected.trailers().unwrap()["checked"], "yes");
        }
        assert_eq!(collected.to_bytes(), Bytes::new());
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn it_waits_while_the_client_reads_nothing() -> Result<()> {
    with_both(async |client, events| {
        if client.head("http://h/counts").send().await?.version() < http::Version::HTTP_2 {
            // Streams in memory have room for everything, and only HTTP/2 has windows of its own.
            return Ok(());
        }
        let answer = client.get("http://h/floods").send().await?;
        sleep(20 * SECOND).await?;
        let sent = std::iter::from_fn(|| events.receive_nowait().ok().flatten()).count();
        assert!((1..256).contains(&sent), "{sent}");
        sleep(20 * SECOND).await?;
        assert!(events.receive_nowait().is_err());
        drop(answer);
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn it_cleans_up_when_the_client_goes_and_when_the_server_ends() -> Result<()> {
    with_both(async |client, events| {
        let mut answer = client.get("http://h/waits").send().await?;
        assert_eq!(answer.chunk().await?.unwrap(), "begun");
        drop(answer);
        assert_eq!(events.receive().await?.unwrap(), "has cleaned up");
        let begun = move_on_after(SECOND, async { client.get("http://h/waits").send().await?.bytes().await });
        assert!(begun.await?.is_none());
        assert_eq!(events.receive().await?.unwrap(), "has cleaned up");
        Ok(())
    })
    .await?;

    let meeting = Rc::new(Meeting::new());
    let (sender, events) = memory::unbounded();
    task_group(async |tg| -> Result<()> {
        let server = tg.start_soon(async {
            let server = Server::new().grace(SECOND);
            server.serve(&*meeting, async |request| make(request, &sender).await).await
        });
        let client = options(&meeting).in_group(tg);
        let mut answer = client.get("http://h/waits").send().await?;
        assert_eq!(answer.chunk().await?.unwrap(), "begun");
        server.cancel();
        assert!(answer.chunk().await.is_err());
        assert_eq!(events.receive().await?.unwrap(), "has cleaned up");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn one_that_fails_or_panics_is_not_whole_and_is_told() -> Result<()> {
    with_both(async |client, events| {
        for (path, told) in
            [("fails", "a handler failed"), ("panics", "a handler or a body panicked: as it was told")]
        {
            let mut answer = client.get(format!("http://h/{path}")).send().await?;
            assert_eq!(answer.chunk().await?.unwrap(), "begun");
            assert!(answer.chunk().await.is_err(), "{path}");
            assert_eq!(events.receive().await?.unwrap(), told);
        }
        // Others are served as before.
        let answer = client.get("http://h/counts").send().await?;
        assert_eq!(answer.bytes().await?, "0 1 2 3 4 ");
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_body_without_its_task_is_broken() -> Result<()> {
    let answer = produce_body(Response::new(()), async |body| body.send("never").await);
    // As if the extensions had been lost on the way.
    let (_, body) = answer.into_parts();
    let collected = body.collect().await;
    assert!(collected.unwrap_err().to_string().contains("has not come to its end"));
    Ok(())
}
