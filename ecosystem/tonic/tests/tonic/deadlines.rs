//! How long a call may take, on both sides.

use crate::{
    greeter::{HelloRequest, greeter_client::GreeterClient},
    meeting::{Meeting, beside_server, channel, with_channel},
    raw::{self, frame},
    trial::{Trial, request},
};
use anyio::{CancelAware, Result, current_time, fail_after, move_on_after, shield, sleep, task_group};
use anyio_http::Server;
use anyio_tonic::{OrError, OrStatus, grpc};
use std::time::Duration;
use tonic::{Code, Request};

const SECOND: Duration = Duration::from_secs(1);

fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

#[anyio::test(clock = "virtual")]
async fn a_call_that_takes_too_long_fails_and_the_handler_cleans_up() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let begun = current_time();
        let status = client.say_hello(within(SECOND, request("waits"))).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(current_time() - begun, SECOND);
        events.expect("waits").await?;
        events.expect("has cleaned up").await?;
        assert_eq!(current_time() - begun, SECOND + Duration::from_millis(50));
        // The connection goes on.
        assert_eq!(
            client.say_hello(within(SECOND, request("Ada"))).await.or_error()?.get_ref().message,
            "Hello, Ada!"
        );
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn the_deadline_of_a_scope_is_that_of_the_call() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let told =
            fail_after(SECOND, async { client.say_hello(request("deadline")).await.or_error() }).await?;
        let left = told.into_inner().number;
        assert!((990..=1000).contains(&left), "{left}");
        // Of two the earlier one.
        let told = fail_after(SECOND, async {
            client.say_hello(within(SECOND / 2, request("deadline"))).await.or_error()
        });
        assert!((490..=500).contains(&told.await?.into_inner().number));
        let told = fail_after(SECOND / 2, async {
            client.say_hello(within(SECOND, request("deadline"))).await.or_error()
        });
        assert!((490..=500).contains(&told.await?.into_inner().number));
        assert_eq!(client.say_hello(request("deadline")).await.or_error()?.into_inner().message, "None");

        let failed = fail_after(SECOND, async { client.say_hello(request("waits")).await.or_error() }).await;
        assert!(matches!(failed, Err(anyio::Error::TimedOut(_))), "{failed:?}");
        events.expect("waits").await?;
        events.expect("has cleaned up").await?;
        let moved_on = move_on_after(SECOND, async {
            let status = client.say_hello(request("waits")).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded);
            assert!(status.is_cancelled());
            Err::<(), _>(status)
        });
        assert!(matches!(moved_on.await, Ok(None)));
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_stream_that_takes_too_long_ends_and_what_makes_it_cleans_up() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let begun = current_time();
        let replies = client.say_many_times(within(SECOND, request("waits"))).await.or_error()?;
        let mut replies = replies.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        assert_eq!(replies.message().await.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(current_time() - begun, SECOND);
        events.expect("waits").await?;
        events.expect("has cleaned up").await
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_server_answers_by_itself_that_the_deadline_has_passed() -> Result<()> {
    beside_server(async |meeting, events| {
        task_group(async |tg| -> Result<()> {
            let mut client = raw::client(tg, meeting.connect()).await;
            for (method, name) in
                [("SayHello", "waits"), ("SayManyTimes", "waits"), ("SayManyTimes", "stalls")]
            {
                let begun = current_time();
                let asked = raw::request(method, [("grpc-timeout", "1S")], frame(&request(name)));
                let answer = raw::answer(client.send_request(asked).await.unwrap()).await;
                assert_eq!((answer.http, answer.status.as_deref()), (200, Some("4")), "{method} {name}");
                // Not before all is cleaned up.
                let clean_up = Duration::from_millis(if name == "waits" { 50 } else { 0 });
                assert_eq!(current_time() - begun, SECOND + clean_up, "{method} {name}");
                if name == "waits" {
                    events.expect("waits").await?;
                    events.expect("has cleaned up").await?;
                }
            }
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_deadline_that_cannot_be_read_is_refused_by_both_sides() -> Result<()> {
    beside_server(async |meeting, _| {
        task_group(async |tg| -> Result<()> {
            let mut client = raw::client(tg, meeting.connect()).await;
            for timeout in ["", "S", "1", "1x", "-1S", "123456789S", "1.5S"] {
                let asked = raw::request("SayHello", [("grpc-timeout", timeout)], frame(&request("Ada")));
                let answer = raw::answer(client.send_request(asked).await.unwrap()).await;
                assert_eq!(answer.status.as_deref(), Some("3"), "{timeout:?}");
            }
            let mut client = GreeterClient::new(channel(tg, meeting)?);
            let mut asked = Request::new(request("Ada"));
            asked.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
            assert_eq!(client.say_hello(asked).await.unwrap_err().code(), Code::InvalidArgument);
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_a_server_asks_in_turn_has_the_same_deadline() -> Result<()> {
    let (last, middle) = (Meeting::new(), Meeting::new());
    let (at_last, _events) = Trial::new();
    let (at_middle, _events) = Trial::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*last, grpc(at_last.server())).await });
        let next = channel(tg, &last)?;
        tg.start_soon(async {
            let mut trial = at_middle;
            trial.next = Some(next);
            Server::new().serve(&*middle, grpc(trial.server())).await
        });
        let mut client = GreeterClient::new(channel(tg, &middle)?);
        let left = client.say_hello(within(SECOND, request("asks"))).await.or_error()?.into_inner().number;
        assert!((990..=1000).contains(&left), "{left}");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn messages_in_time_come_whole() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let asked = within(SECOND, HelloRequest { times: 10, ..request("Ada") });
        let mut replies = client.say_many_times(asked).await.or_error()?.into_inner();
        let mut count = 0;
        while replies.message().await.or_error()?.is_some() {
            count += 1;
        }
        assert_eq!(count, 10);
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn messages_that_are_there_do_not_put_off_the_deadline_of_a_client() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let asked = client.say_many_times(within(SECOND, request("floods"))).await;
        let mut replies = asked.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 0);
        sleep(2 * SECOND).await?;
        // tonic has taken some of them already.
        for _ in 0..4 {
            if let Err(status) = replies.message().await {
                assert_eq!(status.code(), Code::DeadlineExceeded);
                return Ok(());
            }
        }
        panic!("the messages go on");
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_client_that_reads_nothing_does_not_keep_a_call_beyond_its_deadline() -> Result<()> {
    beside_server(async |meeting, events| {
        task_group(async |tg| -> Result<()> {
            let mut client = raw::client(tg, meeting.connect()).await;
            let asked = raw::request("SayManyTimes", [("grpc-timeout", "1S")], frame(&request("floods")));
            let answer = client.send_request(asked).await.unwrap();
            sleep(10 * SECOND).await?;
            assert_eq!(events.all_now().last().map(String::as_str), Some("error: a handler failed"));
            drop(answer);
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_deadline_that_has_passed_before_the_call_is_told_as_one() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        for wait in [Duration::ZERO, 2 * SECOND] {
            let moved_on = move_on_after(wait / 2, async {
                shield(sleep(wait)).await.or_status()?;
                let status = client.say_hello(request("waits")).await.unwrap_err();
                assert_eq!(status.code(), Code::DeadlineExceeded);
                assert!(status.is_cancelled());
                Err::<(), _>(status)
            });
            assert!(matches!(moved_on.await, Ok(None)));
        }
        assert_eq!(events.count_now(), 0);
        Ok(())
    })
    .await
}
