//! TLS with programs and libraries that nobody here wrote. Programs that are not there are passed over.

mod curl;
mod openssl;
mod python;
mod tokio_rustls;

use super::authority::{LOCALHOST, TRUSTED};
use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    process::{self, Command, Process},
    streams::{
        Listener,
        tls::{TlsListener, TlsStream},
    },
    task_group,
    tempfile::TemporaryDirectory,
};

/// More than a few records.
const LARGE: usize = 300_000;

fn data() -> Vec<u8> {
    // No letters, as these are commands to openssl.
    (0..LARGE as u32).map(|n| b'0' + (n % 10) as u8).collect()
}

async fn echo(stream: TlsStream<TcpStream>) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    stream.close().await
}

/// A folder with the files `authority.pem`, `certificate.pem` and `key.pem`.
async fn files() -> Result<TemporaryDirectory> {
    let folder = TemporaryDirectory::new().await?;
    for (name, text) in [
        ("authority.pem", TRUSTED.pem()),
        ("certificate.pem", LOCALHOST.certificate_pem.clone()),
        ("key.pem", LOCALHOST.key_pem.clone()),
    ] {
        anyio::fs::write(folder.path().join(name), text).await?;
    }
    Ok(folder)
}

/// Whether there is such a program, which also works.
async fn has(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let found = process::run(command.args(arguments)).await;
    if let Err(error) = &found {
        eprintln!("passed over, as {program} does not work here: {error}");
    }
    found.is_ok()
}

async fn listener() -> Result<(TlsListener<TcpListener>, u16)> {
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let port = tcp.local_addr()?.port();
    Ok((TlsListener::new(tcp, LOCALHOST.server_config()), port))
}

/// The output of a program that runs while this side serves.
async fn output_of(
    listener: TlsListener<TcpListener>,
    handler: impl AsyncFn(TlsStream<TcpStream>) -> Result<()>,
    command: &mut Command,
) -> Result<Vec<u8>> {
    let mut output = Vec::new();
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener.serve(&handler).await?;
            Ok::<_, Error>(())
        });
        output = process::run(command).await?.stdout.unwrap_or_default();
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(output)
}

/// The port at the end of a line that a program says of where it listens.
async fn port_said_by(process: &Process) -> Result<u16> {
    let mut said = String::new();
    loop {
        let chunk = process.stdout.as_ref().unwrap().receive().await?.expect("it says where it listens");
        said.push_str(&String::from_utf8_lossy(&chunk));
        let line = said.lines().find(|line| line.contains("127.0.0.1:") && said.contains('\n'));
        if let Some(port) = line.and_then(|line| line.rsplit(':').next()) {
            return Ok(port.trim().parse().expect("a port"));
        }
    }
}
