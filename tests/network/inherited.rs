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

#[anyio::test]
async fn without_a_service_manager_there_are_none() -> Result<()> {
    assert!(env::var(BACKEND).is_ok() || listeners_from_environment()?.is_empty());
    Ok(())
}
