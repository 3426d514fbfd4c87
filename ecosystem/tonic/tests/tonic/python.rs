//! Python's grpcio on the other side. `ci/tonic-python.sh` says which Python has it; without one these tests say so, and test
//! nothing.

use crate::{
    greeter::{HelloRequest, greeter_client::GreeterClient, greeter_server::GreeterServer},
    trial::{Trial, request},
};
use anyio::{
    Error, Result, fail_after, move_on_after,
    net::TcpListener,
    process::{self, Command, Stdio},
    streams::{BufferedByteStream, ObjectReceiveStream},
    task_group,
};
use anyio_http::Server;
use anyio_tonic::{Channel, OrError, grpc, produce_requests, reflection::Reflection};
use std::time::Duration;
use tonic::{Code, Request, metadata::MetadataValue, service::Routes};

/// For everything: a Python needs seconds to begin where others build.
const PATIENCE: Duration = Duration::from_secs(300);

fn python(arguments: &[&str]) -> Option<Command> {
    let Some(python) = std::env::var_os("ANYIO_GRPC_PYTHON") else {
        println!("no Python with grpcio was named");
        return None;
    };
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/interop.py"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/greeter.proto")).args(arguments);
    Some(command)
}

#[anyio::test]
async fn a_client_in_python_is_served() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port().to_string();
    let Some(mut python) = python(&["ask", &port]) else { return Ok(()) };
    let (trial, events) = Trial::new();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<GreeterServer<Trial>>().await;
    let reflection = Reflection::new([&include_bytes!("../../proto/greeter.bin")[..]]).unwrap();
    let routes = Routes::new(trial.clone().server())
        .add_service(health)
        .add_service(reflection.v1())
        .add_service(reflection.v1alpha());
    let server = Server::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&listener, grpc(routes)).await });
        let output = fail_after(PATIENCE, python.output()).await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "passed\n", "{errors}");
        tg.cancel();
        Ok(())
    })
    .await?;
    let statistics = server.statistics();
    assert_eq!((statistics.failed, statistics.panicked), (0, 0), "{statistics:?}");
    let events = events.all_now();
    assert_eq!(events.iter().filter(|event| *event == "waits").count(), 2, "the deadline, and the client");
    assert_eq!(events.iter().filter(|event| *event == "has cleaned up").count(), 2);
    Ok(())
}

#[anyio::test]
async fn a_server_in_python_is_asked() -> Result<()> {
    let Some(mut python) = python(&["serve"]) else { return Ok(()) };
    python.stdin(Stdio::piped()).stdout(Stdio::piped());
    let served = process::with(&mut python, async |process| -> Result<()> {
        let stdout = process.stdout.take().expect("it is piped");
        let mut lines = BufferedByteStream::new(stdout).lines(100);
        let port = fail_after(PATIENCE, async {
            ObjectReceiveStream::receive(&mut lines).await?.ok_or(Error::EndOfStream)
        })
        .await?;
        let url = format!("http://127.0.0.1:{}", port.trim());
        fail_after(PATIENCE, Channel::run(url, async |channel| ask(channel).await)).await?;
        drop(process.stdin.take());
        Ok(())
    });
    let ((), status) = served.await?;
    assert!(status.success());
    Ok(())
}

async fn ask(channel: &Channel) -> Result<()> {
    let mut client = GreeterClient::new(channel.clone());
    let mut asked = Request::new(request("Ada"));
    asked.metadata_mut().insert("echo", "some text".parse().unwrap());
    asked.metadata_mut().insert_bin("echo-bin", MetadataValue::from_bytes(b"\0\xff"));
    let answer = client.say_hello(asked).await.or_error()?;
    assert_eq!(answer.metadata().get("echo").unwrap(), "some text");
    assert_eq!(answer.metadata().get_bin("echo-bin").unwrap().to_bytes().unwrap(), &b"\0\xff"[..]);
    assert_eq!(answer.into_inner().message, "Hello, Ada!");

    let status = client.say_hello(request("fails")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no – not now"));
    assert_eq!(
        (status.details(), status.metadata().get("reason").unwrap().as_bytes()),
        (&b"\0details"[..], &b"none"[..])
    );

    // The deadline of a scope reaches the other side, and so does its end.
    let left = client.say_hello(request("deadline")).await.or_error()?.into_inner().number;
    assert!((60_001..=300_000).contains(&left), "{left}: that of this test");
    let left =
        fail_after(Duration::from_secs(60), async { client.say_hello(request("deadline")).await.or_error() });
    let left = left.await?.into_inner().number;
    assert!((1000..=60_000).contains(&left), "{left}");
    let mut asked = Request::new(request("waits"));
    asked.set_timeout(Duration::from_millis(200));
    assert_eq!(client.say_hello(asked).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(client.say_hello(request("was cancelled")).await.or_error()?.into_inner().number, 1);
    let given_up = move_on_after(Duration::from_millis(200), async {
        client.say_hello(request("waits")).await.or_error()
    });
    assert!(given_up.await?.is_none());
    assert_eq!(client.say_hello(request("was cancelled")).await.or_error()?.into_inner().number, 1);

    let mut replies =
        client.say_many_times(HelloRequest { times: 50, ..request("Ada") }).await.or_error()?.into_inner();
    for number in 1..=50 {
        assert_eq!(replies.message().await.or_error()?.unwrap().number, number);
    }
    assert!(replies.message().await.or_error()?.is_none());
    let many = || {
        produce_requests(async |requests| {
            for number in 0..50 {
                requests.send_request(request(&number.to_string())).await?;
            }
            Ok(())
        })
    };
    assert_eq!(client.greet_all(many()).await.or_error()?.into_inner().number, 50);
    assert_eq!(client.say_hello(request("was cancelled")).await.or_error()?.into_inner().number, 1);
    let mut replies = client.converse(many()).await.or_error()?.into_inner();
    for number in 0..50 {
        assert_eq!(replies.message().await.or_error()?.unwrap().message, format!("Hello, {number}!"));
    }
    assert!(replies.message().await.or_error()?.is_none());

    // A stream that is given up, and larger messages than windows.
    let mut flood = client.say_many_times(request("floods")).await.or_error()?.into_inner();
    for number in 0..300 {
        assert_eq!(flood.message().await.or_error()?.unwrap().number, number);
    }
    drop(flood);
    assert_eq!(client.say_hello(request("was cancelled")).await.or_error()?.into_inner().number, 1);
    let large = |times| HelloRequest { times, ..request("large") };
    assert_eq!(client.say_hello(large(3_000_000)).await.or_error()?.into_inner().padding.len(), 3_000_000);
    assert_eq!(client.say_hello(large(5_000_000)).await.unwrap_err().code(), Code::OutOfRange);
    let too_large = HelloRequest { padding: vec![7; 5_000_000], ..request("Ada") };
    assert_eq!(client.say_hello(too_large).await.unwrap_err().code(), Code::ResourceExhausted);
    Ok(())
}
