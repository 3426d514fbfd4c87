//! openssl's programs for trying TLS.

use super::{super::authority::client_config, LARGE, data, echo, files, has, listener, port_said_by};
use crate::peers::assert_receives;
use anyio::{
    Error, Result,
    net::TcpStream,
    process::{self, ChildStdin, ChildStdout, Command, Process, Stdio},
    streams::Listener,
    task_group,
};

/// Has a client talk to an echo, by what it is given to read and what it prints.
async fn with_client(
    arguments: &[&str],
    talk: impl AsyncFnOnce(&ChildStdin, &ChildStdout) -> Result<()>,
) -> Result<()> {
    let (listener, port) = listener().await?;
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-quiet", "-no_ign_eof", "-connect", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            listener.serve(echo).await?;
            Ok::<_, Error>(())
        });
        process::with(&mut client, async |process: &mut Process| -> Result<()> {
            talk(process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap()).await?;
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

#[anyio::test]
async fn as_client_it_is_echoed() -> Result<()> {
    if !has("openssl", &["version"]).await {
        return Ok(());
    }
    let folder = files().await?;
    let authority = folder.path().join("authority.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = [version, "-verify_return_error", "-servername", "localhost", "-CAfile"];
        let arguments = [&arguments[..], &[authority.to_str().unwrap()]].concat();
        with_client(&arguments, async |input, output| {
            let (sent, received) = futures_util::join!(input.send(data()), async {
                let mut received = Vec::new();
                while received.len() < LARGE {
                    received.extend_from_slice(&output.receive().await?.expect("it is not over"));
                }
                anyio::Ok(received)
            });
            sent?;
            assert!(received? == data(), "{version}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn new_keys_that_it_asks_for_are_made() -> Result<()> {
    if !has("openssl", &["version"]).await {
        return Ok(());
    }
    with_client(&["-tls1_3"], async |input, output| {
        for round in 0..3 {
            input.send(format!("echo {round}\n")).await?;
            assert_receives!(output, format!("echo {round}\n"));
            // A command: new keys for both directions. What follows is encrypted by these.
            input.send("K\n").await?;
            anyio::sleep(std::time::Duration::from_millis(20)).await?;
        }
        Ok(())
    })
    .await
}

#[anyio::test]
async fn as_server_it_is_talked_to() -> Result<()> {
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
