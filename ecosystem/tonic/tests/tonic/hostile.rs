//! What nobody should send, and handlers that nobody should write.

use crate::{
    greeter::{HelloRequest, greeter_client::GreeterClient},
    meeting::{Meeting, beside_server, with_channel},
    raw::{self, frame, frame_of},
    trial::{in_mode, request},
};
use anyio::{
    Result,
    streams::{ByteReceiveStream, ByteSendStream, Split, memory},
    task_group,
};
use anyio_http::Server;
use anyio_tonic::{OrError, grpc, produce_requests};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};
use tonic::{Code, codegen::Service};

#[anyio::test]
async fn frames_that_are_broken_are_refused() -> Result<()> {
    beside_server(async |meeting, _| {
        task_group(async |tg| -> Result<()> {
            let mut client = raw::client(tg, meeting.connect()).await;
            let whole = frame(&request("Ada"));
            let two = Bytes::from([&whole[..], &whole[..]].concat());
            // The method, what is sent, and the status of the answer.
            let cases: Vec<(&str, Bytes, &str)> = vec![
                ("SayHello", whole.clone(), "0"),
                // Nothing at all, half a head, and half a message.
                ("SayHello", Bytes::new(), "13"),
                ("SayHello", whole.slice(..3), "13"),
                ("SayHello", whole.slice(..7), "13"),
                // Compressed, though nothing was said of that, and a flag that does not exist.
                ("SayHello", frame_of(1, 3, b"abc"), "13"),
                ("SayHello", frame_of(2, 3, b"abc"), "13"),
                // What is no message: a field that breaks off, and text that is not UTF-8.
                ("SayHello", frame_of(0, 2, b"\x0a\x7f"), "13"),
                ("SayHello", frame_of(0, 4, b"\x0a\x02\xff\xfe"), "13"),
                // A length that is larger than the limit, or than all memory.
                ("SayHello", frame_of(0, 5_000_000, b"abc"), "11"),
                ("SayHello", frame_of(0, u32::MAX, b"abc"), "11"),
                // One too many.
                ("GreetAll", two, "0"),
                ("GreetAll", whole.slice(..7), "13"),
                ("Converse", frame_of(0, u32::MAX, b"abc"), "11"),
                ("SayNothing", whole, "12"),
            ];
            for (method, body, status) in cases {
                let shown = format!("{method} {:?}", &body[..body.len().min(16)]);
                let answer = client.send_request(raw::request(method, [], body)).await.unwrap();
                let answer = raw::answer(answer).await;
                assert_eq!((answer.http, answer.status.as_deref()), (200, Some(status)), "{shown}");
            }
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test]
async fn what_is_no_http2_ends_its_own_connection_only() -> Result<()> {
    beside_server(async |meeting, _| {
        for bytes in [
            &b"\0\0\0"[..],
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x04\x01\x05\0\0\0\x01\xff\xff\xff\xff",
        ] {
            let (mut receive, mut send) = meeting.connect().split();
            drop(send.send(bytes.to_vec()).await);
            drop(send.close_sending().await);
            // It ends, with or without a word.
            while let Ok(Some(_)) = receive.receive().await {}
        }
        task_group(async |tg| -> Result<()> {
            let mut client = raw::client(tg, meeting.connect()).await;
            let asked = raw::request("SayHello", [], frame(&request("Ada")));
            assert_eq!(
                raw::answer(client.send_request(asked).await.unwrap()).await.status.as_deref(),
                Some("0")
            );
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test]
async fn messages_beyond_the_limit_are_refused_on_both_sides() -> Result<()> {
    const MIB: usize = 1 << 20;
    with_channel(async |channel, _| {
        let mut client = GreeterClient::new(channel.clone());
        let large = |bytes: usize| HelloRequest { padding: vec![7; bytes], ..request("Ada") };
        // Of the server, whose limit is 4 MiB.
        assert!(client.say_hello(large(4 * MIB - 100)).await.is_ok());
        let status = client.say_hello(large(4 * MIB + 1)).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        let requests = produce_requests(async move |requests| {
            requests.send_request(request("small")).await?;
            requests.send_request(large(5 * MIB)).await
        });
        let status = client.greet_all(requests).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        // Of the client.
        let asked = HelloRequest { times: 5 * MIB as u32, ..request("large") };
        let status = client.say_hello(asked.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        let mut patient = client.clone().max_decoding_message_size(8 * MIB);
        assert_eq!(patient.say_hello(asked).await.or_error()?.get_ref().padding.len(), 5 * MIB);
        // And of what it sends.
        let mut careful = client.clone().max_encoding_message_size(MIB);
        let asked = HelloRequest { padding: vec![7; 2 * MIB], ..request("Ada") };
        assert_eq!(careful.say_hello(asked).await.unwrap_err().code(), Code::OutOfRange);
        assert_eq!(client.say_hello(request("Ada")).await.or_error()?.get_ref().message, "Hello, Ada!");
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_handler_that_panics_fails_its_call() -> Result<()> {
    with_channel(async |channel, events| {
        let mut client = GreeterClient::new(channel.clone());
        let status = client.say_hello(request("panics")).await.unwrap_err();
        assert!([Code::Internal, Code::Unknown].contains(&status.code()), "{status:?}");
        events.expect("error: a handler or a body panicked: as it was told").await?;
        assert_eq!(client.say_hello(request("Ada")).await.or_error()?.get_ref().message, "Hello, Ada!");

        let mut replies = client.say_many_times(request("panics")).await.or_error()?.into_inner();
        assert_eq!(replies.message().await.or_error()?.unwrap().number, 1);
        let status = replies.message().await.unwrap_err();
        assert!([Code::Internal, Code::Unknown].contains(&status.code()), "{status:?}");
        events.expect("error: a handler or a body panicked: as it was told").await?;
        assert_eq!(client.say_hello(request("Ada")).await.or_error()?.get_ref().message, "Hello, Ada!");
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_flood_of_calls_that_are_given_up_leaves_nothing() -> Result<()> {
    with_channel(async |channel, events| {
        for _ in 0..100 {
            let mut client = GreeterClient::new(channel.clone());
            let requests = in_mode(
                "waits",
                produce_requests(async |requests| requests.send_request(request("one")).await),
            );
            let scope = anyio::CancelScope::new();
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    scope.run(async || client.greet_all(requests).await.or_error()).await?;
                    Ok(())
                });
                events.expect("waits").await?;
                scope.cancel();
                Ok(())
            })
            .await?;
            events.expect("has cleaned up").await?;
        }
        let mut client = GreeterClient::new(channel.clone());
        assert_eq!(client.say_hello(request("Ada")).await.or_error()?.get_ref().message, "Hello, Ada!");
        Ok(())
    })
    .await
}

/// Answers with a body that breaks off.
#[derive(Clone)]
struct BreaksOff;

impl Service<Request<tonic::body::Body>> for BreaksOff {
    type Response = Response<BoxBody<Bytes, &'static str>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
        let frames = [Ok(Frame::data(Bytes::from("begun"))), Err("it breaks off")];
        ready(Ok(Response::new(BodyExt::boxed(StreamBody::new(stream::iter(frames))))))
    }
}

#[anyio::test]
async fn an_answer_that_breaks_off_at_once_is_told_as_an_error() -> Result<()> {
    let meeting = Meeting::new();
    let (sender, errors) = memory::unbounded();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let server = Server::new().on_error(|error| sender.send_nowait(error.to_string()).unwrap());
            server.serve(&*meeting, grpc(BreaksOff)).await
        });
        let mut client = raw::client(tg, meeting.connect()).await;
        let asked = client.send_request(raw::request("SayHello", [], frame(&request("Ada")))).await;
        // A reset may overtake the head.
        if let Ok(answer) = asked {
            assert!(answer.into_body().collect().await.is_err());
        }
        assert_eq!(errors.receive().await?.as_deref(), Some("a handler failed"));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
