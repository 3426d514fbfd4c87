//! TLS with programs and libraries that nobody here wrote. Programs that are not there are passed over.

use super::authority::{LOCALHOST, TRUSTED, client_config, client_config_of};
use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    process::{self, Command, Process, Stdio},
    streams::{
        Listener,
        io::ByteIo,
        tls::{TlsListener, TlsOptions, TlsStream},
    },
    task_group,
    tempfile::TemporaryDirectory,
};
use rustls::{
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

#[anyio::test]
async fn tokio_rustls_as_client_is_echoed() -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let (client, server) = super::connection().await?;
        let options = TlsOptions::server(LOCALHOST.server_config());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { echo(TlsStream::wrap(server, &options).await?).await });
            let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config_of(&[version])));
            let (receive, send) = client.split();
            let name = ServerName::try_from("localhost").unwrap();
            let stream = connector.connect(name, ByteIo::new(receive, send)).await?;
            let (mut reader, mut writer) = tokio::io::split(stream);
            let (sent, received) = futures_util::join!(
                async {
                    writer.write_all(&data()).await?;
                    writer.shutdown().await
                },
                async {
                    let mut bytes = Vec::new();
                    reader.read_to_end(&mut bytes).await.map(|_| bytes)
                }
            );
            sent?;
            assert!(received? == data());
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn tokio_rustls_as_server_echoes() -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let (client, server) = super::connection().await?;
        let options = TlsOptions::client(client_config(), "localhost")?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let config = Arc::new(LOCALHOST.server_config_of(&[version]));
                let (receive, send) = server.split();
                let mut stream =
                    tokio_rustls::TlsAcceptor::from(config).accept(ByteIo::new(receive, send)).await?;
                let mut buffer = vec![0; 10_000];
                loop {
                    let count = stream.read(&mut buffer).await?;
                    if count == 0 {
                        break;
                    }
                    stream.write_all(&buffer[..count]).await?;
                    stream.flush().await?;
                }
                stream.shutdown().await?;
                Ok::<_, Error>(())
            });
            let stream = TlsStream::wrap(client, &options).await?;
            let (sent, received) = futures_util::join!(
                async {
                    stream.send(data()).await?;
                    stream.send_eof().await
                },
                async {
                    let mut bytes = Vec::new();
                    while let Some(chunk) = stream.receive().await? {
                        bytes.extend_from_slice(&chunk);
                    }
                    anyio::Ok(bytes)
                }
            );
            sent?;
            assert!(received? == data());
            stream.close().await
        })
        .await?;
    }
    Ok(())
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

async fn answer_http(stream: TlsStream<TcpStream>) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Some(chunk) = stream.receive().await? else { return Ok(()) };
        request.extend_from_slice(&chunk);
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\nConnection: close\r\n\r\n");
    stream.send_vectored(vec![head.into_bytes(), data()]).await.0?;
    stream.close().await
}

#[anyio::test]
async fn curl_fetches_from_a_listener() -> Result<()> {
    if !has("curl", &["--version"]).await {
        return Ok(());
    }
    let folder = files().await?;
    for version in ["1.2", "1.3"] {
        let (listener, port) = listener().await?;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--http1.1", "--tls-max", version, "--cacert"])
            .arg(folder.path().join("authority.pem"))
            .arg(format!("https://localhost:{port}/"));
        assert!(output_of(listener, answer_http, &mut curl).await? == data(), "TLS {version}");
    }
    // Without the authority curl refuses the server, which survives that and hears why.
    let (listener, port) = listener().await?;
    let mut curl = Command::new("curl");
    curl.args(["--silent", &format!("https://localhost:{port}/")]).check(false);
    assert_eq!(output_of(listener, answer_http, &mut curl).await?, b"");
    Ok(())
}

#[anyio::test]
async fn openssl_as_client_is_echoed() -> Result<()> {
    if !has("openssl", &["version"]).await {
        return Ok(());
    }
    let folder = files().await?;
    for version in ["-tls1_2", "-tls1_3"] {
        let (listener, port) = listener().await?;
        let mut client = Command::new("openssl");
        client
            .args([
                "s_client",
                "-quiet",
                "-no_ign_eof",
                "-verify_return_error",
                "-servername",
                "localhost",
                version,
            ])
            .args(["-connect", &format!("127.0.0.1:{port}"), "-CAfile"])
            .arg(folder.path().join("authority.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        task_group(async |tg| -> Result<()> {
            let serving = tg.start_soon(async {
                listener.serve(echo).await?;
                Ok::<_, Error>(())
            });
            process::with(&mut client, async |process: &mut Process| -> Result<()> {
                let (input, output) = (process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap());
                let (sent, received) = futures_util::join!(input.send(data()), async {
                    let mut received = Vec::new();
                    while received.len() < LARGE {
                        received.extend_from_slice(&output.receive().await?.expect("it is not over"));
                    }
                    anyio::Ok(received)
                });
                sent?;
                assert!(received? == data(), "{version}");
                process.stop().await?;
                Ok(())
            })
            .await?;
            serving.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn openssl_as_server_is_talked_to() -> Result<()> {
    if !has("openssl", &["version"]).await {
        return Ok(());
    }
    let folder = files().await?;
    for version in ["-tls1_2", "-tls1_3"] {
        let mut server = Command::new("openssl");
        server
            .args(["s_server", "-rev", "-accept", "127.0.0.1:0", version, "-cert"])
            .arg(folder.path().join("certificate.pem"))
            .arg("-key")
            .arg(folder.path().join("key.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        process::with(&mut server, async |process: &mut Process| -> Result<()> {
            let port = port_said_by(process).await?;
            let stream = TcpStream::connect_tls("localhost", port, client_config()).await?;
            for _ in 0..3 {
                stream.send("backwards\n").await?;
                let mut answer = Vec::new();
                while answer.len() < 10 {
                    answer.extend_from_slice(&stream.receive().await?.expect("it is not over"));
                }
                assert_eq!(answer, b"sdrawkcab\n");
            }
            stream.close().await?;
            process.stop().await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn new_keys_that_openssl_asks_for_are_made() -> Result<()> {
    if !has("openssl", &["version"]).await {
        return Ok(());
    }
    let (listener, port) = listener().await?;
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-quiet", "-no_ign_eof", "-tls1_3", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener.serve(echo).await?;
            Ok::<_, Error>(())
        });
        process::with(&mut client, async |process: &mut Process| -> Result<()> {
            let (input, output) = (process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap());
            for round in 0..3 {
                input.send(format!("echo {round}\n")).await?;
                assert_eq!(output.receive().await?.unwrap(), format!("echo {round}\n"));
                // A command: new keys for both directions. What follows is encrypted by these.
                input.send("K\n").await?;
                anyio::sleep(std::time::Duration::from_millis(20)).await?;
            }
            process.stop().await?;
            Ok(())
        })
        .await?;
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
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

const PYTHON_CLIENT: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as plain:
    with context.wrap_socket(plain, server_hostname='localhost', suppress_ragged_eofs=False) as stream:
        stream.sendall(b'hello')
        received = stream.recv(5)
        plain = stream.unwrap()
        print(received.decode(), stream.version() or 'unwrapped', b''.join(iter(lambda: plain.recv(100), b'')).decode())
";

#[anyio::test]
async fn python_as_client_is_answered_and_unwraps() -> Result<()> {
    if !has("python3", &["-c", "import ssl"]).await {
        return Ok(());
    }
    let folder = files().await?;
    let (listener, port) = listener().await?;
    let mut client = Command::new("python3");
    client.args(["-c", PYTHON_CLIENT]).arg(folder.path().join("authority.pem")).arg(port.to_string());
    let answer = async |stream: TlsStream<TcpStream>| -> Result<()> {
        let received = stream.receive().await?.expect("it says something");
        stream.send(received).await?;
        assert!(stream.receive().await?.is_none());
        let (plain, rest) = stream.unwrap().await.map_err(|(error, _)| error)?;
        assert!(rest.is_none());
        plain.send("in the clear").await?;
        plain.close().await
    };
    let output = output_of(listener, answer, &mut client).await?;
    assert_eq!(String::from_utf8_lossy(&output).trim(), "hello unwrapped in the clear");
    Ok(())
}

const PYTHON_SERVER: &str = "
import socket, ssl, sys
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_alpn_protocols(['echo'])
with socket.create_server(('127.0.0.1', 0)) as listener:
    print('127.0.0.1:%d' % listener.getsockname()[1], flush=True)
    for ends_well in [True, False]:
        plain, _ = listener.accept()
        stream = context.wrap_socket(plain, server_side=True)
        received = stream.recv(100)
        stream.sendall(received + stream.selected_alpn_protocol().encode())
        if ends_well:
            stream.unwrap().close()
        else:
            stream.close()
";

#[anyio::test]
async fn python_as_server_answers_and_ends_well_or_not() -> Result<()> {
    if !has("python3", &["-c", "import ssl"]).await {
        return Ok(());
    }
    let folder = files().await?;
    let mut config = client_config();
    config.alpn_protocols = vec![b"echo".to_vec()];
    let config = Arc::new(config);
    let mut server = Command::new("python3");
    server
        .args(["-c", PYTHON_SERVER])
        .arg(folder.path().join("certificate.pem"))
        .arg(folder.path().join("key.pem"))
        .stdout(Stdio::piped());
    process::with(&mut server, async |process: &mut Process| -> Result<()> {
        let port = port_said_by(process).await?;
        for ends_well in [true, false] {
            let stream = TcpStream::connect_tls("localhost", port, config.clone()).await?;
            stream.send("hello ").await?;
            assert_eq!(stream.receive().await?.unwrap(), "hello echo");
            let end = stream.receive().await;
            assert_eq!(matches!(end, Ok(None)), ends_well, "{end:?}");
            assert_eq!(super::is_broken(&end), !ends_well, "{end:?}");
            stream.close().await.ok();
        }
        Ok(())
    })
    .await?;
    Ok(())
}
