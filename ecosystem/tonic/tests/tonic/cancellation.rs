//! Calls that are given up, by either side.

use crate::{
    greeter::{HelloRequest, greeter_client::GreeterClient},
    meeting::{Meeting, beside_server, channel, with_channel},
    raw,
    trial::{Events, Trial, in_mode, request},
};
use anyio::{
    CancelAware, CancelScope, Result, current_time, move_on_after, shield, sleep, sleep_forever, task_group,
};
use anyio_http::Server;
use anyio_tonic::{Channel, LocalStream, OrError, OrStatus, grpc, produce_requests};
use std::{cell::Cell, rc::Rc, time::Duration};
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);

/// Requests that never end; tells whether what makes them has cleaned up.
fn endless(has_cleaned_up: &Rc<Cell<bool>>) -> LocalStream<HelloRequest> {
    let has_cleaned_up = has_cleaned_up.clone();
    produce_requests(async move |requests| {
        requests.send_request(request("the only one")).await?;
        let cancelled = Err::<(), _>(sleep_forever().await).or_status();
        shield(sleep(Duration::from_millis(50))).await.or_status()?;
        has_cleaned_up.set(true);
        cancelled
    })
}

#[anyio::test(clock = "virtual")]
async fn a_scope_cancels_a_call_and_the_handler_cleans_up() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let scope = CancelScope::new();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let asked = scope.run(async || {
                    let status = client.say_hello(request("waits")).await.unwrap_err();
                    assert_eq!(status.code(), Code::Cancelled);
                    assert!(status.is_cancelled());
                    Err::<(), _>(status).or_error()
                });
                assert_eq!(asked.await?, None);
                Ok(())
            });
            events.expect("waits").await?;
            scope.cancel();
            events.expect("has cleaned up").await
        })
        .await?;
        assert_eq!(client.say_hello(request("Ada")).await.or_error()?.get_ref().message, "Hello, Ada!");
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_makes_a_stream_cleans_up_when_the_client_drops_it() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let mut replies = client.say_many_times(request("waits")).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        events.expect("waits").await?;
        drop(replies);
        events.expect("has cleaned up").await?;
        // In a scope that is cancelled the stream ends as well.
        let mut replies = client.say_many_times(request("waits")).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        let next = move_on_after(SECOND, async { replies.message().await.or_error() }).await?;
        assert!(next.is_none());
        events.expect("waits").await?;
        events.expect("has cleaned up").await
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_makes_a_stream_cleans_up_when_the_client_goes_away() -> Result<()> {
    beside_server(async |meeting, events| {
        task_group(async |tg| -> Result<()> {
            let mut client = raw::client(tg, meeting.connect()).await;
            for method in ["SayHello", "SayManyTimes"] {
                let asked = raw::request(method, [], raw::frame(&request("waits")));
                let asking = client.send_request(asked);
                tg.start_soon(async move {
                    // Kept, so that nothing is reset before the connection goes.
                    let _answer = asking.await;
                    Err::<(), _>(sleep_forever().await.into())
                });
                events.expect("waits").await?;
            }
            tg.cancel();
            Ok(())
        })
        .await?;
        events.expect("has cleaned up").await?;
        events.expect("has cleaned up").await
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_server_that_ends_awaits_its_calls() -> Result<()> {
    let meeting = Meeting::new();
    let (trial, events) = Trial::new();
    task_group(async |tg| -> Result<()> {
        let server = tg.start_soon(async {
            let server = Server::new().grace(SECOND);
            server.serve(&*meeting, grpc(trial.server())).await
        });
        let mut client = GreeterClient::new(channel(tg, &meeting)?);
        let mut replies = client.say_many_times(request("waits")).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        let call = tg.start_soon({
            let mut client = client.clone();
            async move { Ok(client.say_hello(request("waits")).await.unwrap_err()) }
        });
        events.expect("waits").await?;
        events.expect("waits").await?;
        let begun = current_time();
        server.cancel();
        // After the grace, and what is to be cleaned up.
        let stream_ended = replies.message().await.unwrap_err();
        let call_ended = call.await?;
        assert!(server.is_finished() || current_time() - begun >= SECOND);
        events.expect("has cleaned up").await?;
        events.expect("has cleaned up").await?;
        for status in [stream_ended, call_ended] {
            assert!([Code::Unavailable, Code::Cancelled].contains(&status.code()), "{status:?}");
            assert!(!status.is_cancelled(), "that is not a cancellation of ours");
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// Runs a body with a client and requests that never end. What makes these has cleaned up when the group of the client's
/// channel has ended.
async fn with_endless_requests(
    body: impl AsyncFnOnce(&mut GreeterClient<Channel>, LocalStream<HelloRequest>, &Events) -> Result<()>,
) -> Result<()> {
    beside_server(async |meeting, events| {
        let has_cleaned_up = Rc::new(Cell::new(false));
        task_group(async |tg| -> Result<()> {
            let mut client = GreeterClient::new(channel(tg, meeting)?);
            body(&mut client, endless(&has_cleaned_up), events).await
        })
        .await?;
        assert!(has_cleaned_up.get());
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_makes_requests_cleans_up_when_the_server_ends_the_call() -> Result<()> {
    with_endless_requests(async |client, requests, _| {
        let status = client.greet_all(in_mode("refuses", requests)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_makes_requests_cleans_up_when_the_call_is_given_up() -> Result<()> {
    with_endless_requests(async |client, requests, events| {
        let asked = move_on_after(SECOND, async { client.greet_all(requests).await.or_error() });
        assert!(asked.await?.is_none());
        events.expect("Aborted after 1").await
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn both_sides_of_a_conversation_clean_up() -> Result<()> {
    with_endless_requests(async |client, requests, _| {
        let mut replies = client.converse(requests).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().message, "Hello, the only one!");
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_makes_requests_cleans_up_though_the_server_reads_none_of_them() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let has_cleaned_up = Rc::new(Cell::new(false));
        let flag = has_cleaned_up.clone();
        let requests = produce_requests(async move |requests| {
            let large = HelloRequest { padding: vec![7; 16 * 1024], ..request("more") };
            let ended = loop {
                if let Err(status) = requests.send_request(large.clone()).await {
                    break status;
                }
            };
            shield(sleep(Duration::from_millis(50))).await.or_status()?;
            flag.set(true);
            Err(ended)
        });
        let mut replies = client.converse(in_mode("waits", requests)).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        events.expect("waits").await?;
        // Until nothing more is taken.
        sleep(SECOND).await?;
        drop(replies);
        sleep(SECOND).await?;
        assert!(has_cleaned_up.get());
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_call_in_a_cancelled_scope_is_not_made() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let scope = CancelScope::new();
        scope.cancel();
        let asked = scope.run(async || client.say_hello(request("waits")).await.or_error());
        assert!(asked.await?.is_none());
        assert_eq!(client.say_hello(request("Ada")).await.or_error()?.get_ref().number, 1);
        assert_eq!(events.count_now(), 0);
        Ok(())
    })
    .await
}
