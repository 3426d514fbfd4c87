//! Listeners that a program is started with.

use anyio::{
    Builder, Result,
    net::{InheritedSocket, listeners_from_environment},
    testing::test_backends,
};
use std::{
    env,
    io::Read,
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::Command,
};

const BACKEND: &str = "ANYIO_TEST_INHERITED";
const NAME: &str = "inherited::a_program_serves_on_the_listener_that_it_was_started_with";

/// As a service manager does: the listener is descriptor 3, and the environment names the process.
const LAUNCH: &str = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ exec "$@""#;

#[test]
fn a_program_serves_on_the_listener_that_it_was_started_with() {
    // This test is both: the program that is started is itself.
    if let Ok(backend) = env::var(BACKEND) {
        let builder = Builder::new().backend(backend.parse().unwrap());
        return builder.run(serve_one).unwrap().unwrap();
    }
    for backend in test_backends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut program = Command::new("sh")
            .args(["-c", LAUNCH, "sh"])
            .arg(env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", "web")
            .env(BACKEND, backend.to_string())
            .stdin(OwnedFd::from(listener))
            .spawn()
            .unwrap();
        let mut said = String::new();
        TcpStream::connect(address).unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "web");
        assert!(program.wait().unwrap().success());
    }
}

async fn serve_one() -> Result<()> {
    let mut inherited = listeners_from_environment()?;
    assert!(listeners_from_environment()?.is_empty(), "they have one owner");
    assert_eq!(inherited.len(), 1);
    let listener = inherited.remove(0);
    let InheritedSocket::Tcp(socket) = listener.socket else { panic!("another kind of socket") };
    let stream = socket.accept().await?;
    stream.send(listener.name.unwrap()).await?;
    stream.close().await
}

const LIES: &str = "ANYIO_TEST_LIES";

#[test]
fn descriptors_that_were_not_handed_over_are_not_taken() {
    if let Ok(backend) = env::var(LIES) {
        let builder = Builder::new().backend(backend.parse().unwrap());
        return builder.run(take_none).unwrap().unwrap();
    }
    let name = "inherited::descriptors_that_were_not_handed_over_are_not_taken";
    for backend in test_backends() {
        for count in ["0", "2", "3", "4", "7", "40", "1000000"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let status = Command::new("sh")
                .args(["-c", LAUNCH, "sh"])
                .arg(env::current_exe().unwrap())
                .args([name, "--exact", "--nocapture"])
                .env("LISTEN_FDS", count)
                .env(LIES, backend.to_string())
                .stdin(OwnedFd::from(listener))
                .status()
                .unwrap();
            assert!(status.success(), "{count} on {backend}");
        }
    }
}

/// Only one was handed over. The others are not open, or the runtime's own.
async fn take_none() -> Result<()> {
    let count: u32 = env::var("LISTEN_FDS").unwrap().parse().unwrap();
    for _ in 0..2 {
        match listeners_from_environment() {
            Ok(none) => assert!(none.is_empty() && count == 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}"),
        }
    }
    // The runtime still has what is its own.
    let listener = anyio::net::TcpListener::bind("127.0.0.1:0").await?;
    let client = anyio::net::TcpStream::connect(listener.local_addr()?).await?;
    listener.accept().await?.send("x").await?;
    assert_eq!(client.receive().await?.unwrap(), "x");
    anyio::sleep(std::time::Duration::from_millis(1)).await?;
    Ok(())
}

#[anyio::test]
async fn without_a_service_manager_there_are_none() -> Result<()> {
    let is_launched = env::var(BACKEND).is_ok() || env::var(LIES).is_ok();
    assert!(is_launched || listeners_from_environment()?.is_empty());
    Ok(())
}
