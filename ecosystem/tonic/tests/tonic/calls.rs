//! Calls of all four kinds.

use crate::{
    greeter::{HelloRequest, greeter_client::GreeterClient},
    meeting::{Meeting, beside_server, channel, with_channel},
    trial::{in_mode, request},
};
use anyio::{Error, Result, fail_after, net::TcpListener, sleep, streams::memory, task_group};
use anyio_http::Server;
use anyio_tonic::{Channel, LocalStream, OrError, OrStatus, grpc, produce_requests};
use std::time::Duration;
use tonic::{Code, Request, Status, client::Grpc, metadata::MetadataValue, service::Routes};

#[anyio::test]
async fn a_call_is_answered_over_tcp() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (trial, _events) = crate::trial::Trial::new();
    task_group(async |tg| -> Result<()> {
        let url = format!("http://{}", listener.local_addr()?);
        tg.start_soon(async { Server::new().serve(&listener, grpc(Routes::new(trial.server()))).await });
        let number = Channel::run(&url, async |channel| {
            let mut client = GreeterClient::new(channel.clone());
            for name in ["Ada", "Grace"] {
                let answer = client.say_hello(request(name)).await.or_error()?.into_inner();
                assert_eq!(answer.message, format!("Hello, {name}!"));
            }
            Ok::<_, Error>(client.say_hello(request("Barbara")).await.or_error()?.into_inner().number)
        })
        .await?;
        assert_eq!(number, 3);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn many_calls_share_a_connection() -> Result<()> {
    with_channel(async |channel, _| {
        let names: Vec<String> = (0..100).map(|number| format!("number {number}")).collect();
        task_group(async |tg| -> Result<()> {
            for name in &names {
                let mut client = GreeterClient::new(channel.clone());
                tg.start_soon(async move {
                    let answer = client.say_hello(request(name)).await.or_error()?.into_inner();
                    assert_eq!(answer.message, format!("Hello, {name}!"));
                    anyio::Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_server_sends_many_messages() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let asked = HelloRequest { times: 50, ..request("Ada") };
        let mut replies = client.say_many_times(asked).await.or_error()?.into_inner();
        for number in 1..=50 {
            let reply = replies.message().await.or_error()?.unwrap();
            assert_eq!((reply.message.as_str(), reply.number), ("Hello, Ada!", number));
        }
        assert!(replies.message().await.or_error()?.is_none());
        assert!(replies.trailers().await.or_error()?.is_some());
        // None at all is a stream as well.
        let mut none = client.say_many_times(request("Ada")).await.or_error()?.into_inner();
        assert!(none.message().await.or_error()?.is_none());
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_client_sends_many_messages() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let requests = produce_requests(async |requests| {
            for number in 0..50 {
                requests.send_request(request(&number.to_string())).await?;
                sleep(Duration::from_millis(1)).await.or_status()?;
            }
            Ok(())
        });
        let answer = client.greet_all(requests).await.or_error()?.into_inner();
        assert_eq!(answer.number, 50);
        assert!(answer.message.starts_with("0 1 2 3 ") && answer.message.ends_with(" 48 49"));
        let (sender, receiver) = memory::channel::<HelloRequest>(0);
        drop(sender);
        let items = LocalStream::new(Unfailing(receiver.into_stream()));
        assert_eq!(client.greet_all(items).await.or_error()?.into_inner().number, 0);
        Ok(())
    })
    .await
}

/// Ends where there is an error, as these streams have none.
struct Unfailing<S>(S);

impl<T, E, S: futures_core::Stream<Item = Result<T, E>> + Unpin> futures_core::Stream for Unfailing<S> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        std::pin::Pin::new(&mut self.0).poll_next(cx).map(|item| item.and_then(Result::ok))
    }
}

#[anyio::test]
async fn both_sides_talk_in_turn() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let (sender, receiver) = memory::channel::<HelloRequest>(0);
        let requests = LocalStream::new(Unfailing(receiver.into_stream()));
        let mut replies = client.converse(requests).await.or_error()?.into_inner();
        for number in 1..=20 {
            // Each is sent when the answer to the one before has come.
            sender.send(request(&number.to_string())).await?;
            let reply = replies.message().await.or_error()?.unwrap();
            assert_eq!((reply.message, reply.number), (format!("Hello, {number}!"), number));
        }
        drop(sender);
        assert!(replies.message().await.or_error()?.is_none());
        Ok(())
    })
    .await
}

#[anyio::test]
async fn metadata_goes_both_ways() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let mut asked = Request::new(request("Ada"));
        asked.metadata_mut().insert("echo", "some text".parse().unwrap());
        asked.metadata_mut().insert_bin("echo-bin", MetadataValue::from_bytes(b"\0\xff"));
        let answer = client.say_hello(asked).await.or_error()?;
        assert_eq!(answer.metadata().get("echo").unwrap(), "some text");
        assert_eq!(answer.metadata().get_bin("echo-bin").unwrap().to_bytes().unwrap(), &b"\0\xff"[..]);
        // An interceptor of tonic's puts it in as well.
        let mut client = GreeterClient::with_interceptor(channel.clone(), |mut request: Request<()>| {
            request.metadata_mut().insert("echo", "intercepted".parse().unwrap());
            Ok(request)
        });
        let answer = client.say_hello(request("Ada")).await.or_error()?;
        assert_eq!(answer.metadata().get("echo").unwrap(), "intercepted");
        Ok(())
    })
    .await
}

#[anyio::test]
async fn errors_come_with_their_details_and_metadata() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let status = client.say_hello(request("fails")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no – not now"));
        assert_eq!(status.details(), b"\0details");
        assert_eq!(status.metadata().get("reason").unwrap(), "none");
        let mut replies = client.say_many_times(request("fails")).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        let status = replies.message().await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DataLoss, "and no more"));
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn what_makes_the_requests_can_fail_the_call() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let requests = produce_requests(async |requests| {
            requests.send_request(request("the only one")).await?;
            // Until the server has it, as a reset overtakes what is on its way.
            sleep(Duration::from_secs(1)).await.or_status()?;
            Err(Status::aborted("there is no more"))
        });
        let status = client.greet_all(requests).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Aborted, "there is no more"));
        // The server has not taken that for the end.
        events.expect("Aborted after 1").await
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn a_stream_ends_with_the_function_that_sends_it() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let mut replies = client.say_many_times(request("commits")).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        assert_eq!(replies.message().await.unwrap_err().code(), Code::DataLoss);
        events.expect("has committed").await?;
        // And the messages of a client.
        let requests = produce_requests(async |requests| {
            requests.send_request(request("the only one")).await?;
            drop(requests);
            sleep(Duration::from_secs(1)).await.or_status()?;
            Err(Status::aborted("there is no more"))
        });
        assert_eq!(client.greet_all(requests).await.unwrap_err().code(), Code::Aborted);
        events.expect("Aborted after 1").await
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn several_streams_are_sent_as_one() -> Result<()> {
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let asked = HelloRequest { times: 10, ..request("merges") };
        let mut replies = client.say_many_times(asked).await.or_error()?.into_inner();
        let mut numbers = Vec::new();
        while let Some(reply) =
            fail_after(Duration::from_secs(60), async { replies.message().await.or_error() }).await?
        {
            numbers.push(reply.number);
        }
        numbers.sort_unstable();
        assert_eq!(numbers, Vec::from_iter((0..10).chain(100..110)));
        Ok(())
    })
    .await
}

#[anyio::test]
async fn what_a_server_does_not_have_is_unimplemented() -> Result<()> {
    let (trial, _events) = crate::trial::Trial::new();
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, grpc(Routes::new(trial.server()))).await });
        task_group(async |tg| -> Result<()> {
            let channel = channel(tg, &meeting)?;
            for method in ["/greeter.Greeter/SayNothing", "/nobody.Nobody/SayHello"] {
                let mut client = Grpc::new(channel.clone());
                client.ready().await.or_error()?;
                let codec = tonic_prost::ProstCodec::<HelloRequest, HelloRequest>::default();
                let asked = client.unary(Request::new(request("Ada")), method.parse().unwrap(), codec).await;
                assert_eq!(asked.unwrap_err().code(), Code::Unimplemented, "{method}");
            }
            tg.cancel();
            Ok(())
        })
        .await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn nobody_there_is_unavailable_and_a_new_connection_is_made() -> Result<()> {
    // A port that nobody listens on until later.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    anyio::streams::Listener::close(listener).await?;
    Channel::run(format!("http://{address}"), async |channel| {
        let mut client = GreeterClient::new(channel.clone());
        let status = client.say_hello(request("Ada")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("refused"), "{status}");
        for _ in 0..2 {
            let listener = TcpListener::bind(address).await?;
            let (trial, _events) = crate::trial::Trial::new();
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async { Server::new().serve(&listener, grpc(trial.server())).await });
                let answer = client.say_hello(request("Ada")).await.or_error()?.into_inner();
                assert_eq!(answer.message, "Hello, Ada!");
                tg.cancel();
                Ok(())
            })
            .await?;
        }
        Ok::<_, Error>(())
    })
    .await
}

#[anyio::test]
async fn a_channel_says_what_is_wrong_with_its_address() -> Result<()> {
    for (address, wrong) in
        [("localhost:5", "no scheme"), ("http//x", "invalid format"), ("http://a b", "invalid uri")]
    {
        let made = Channel::run(address, async |_| Ok::<_, Error>(())).await;
        let text = made.unwrap_err().to_string();
        assert!(text.contains(wrong) && text.contains(address), "{address}: {text}");
    }
    Ok(())
}

#[anyio::test]
async fn a_request_of_several_messages_is_told_by_its_metadata() -> Result<()> {
    beside_server(async |meeting, _| {
        task_group(async |tg| -> Result<()> {
            let mut client = GreeterClient::new(channel(tg, meeting)?);
            let requests = in_mode(
                "refuses",
                produce_requests(async |requests| {
                    for _ in 0..1_000_000 {
                        requests.send_request(request("one more")).await?;
                    }
                    Ok(())
                }),
            );
            let status = client.greet_all(requests).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "enough"));
            // What made them was cancelled, so the group ends with the last client.
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}
