//! Python's standard library.

use super::{
    super::authority::client_config, super::is_broken, files, has, listener, output_of, port_said_by,
};
use anyio::{
    Result,
    net::TcpStream,
    process::{self, Command, Process, Stdio},
    streams::tls::TlsStream,
};
use std::sync::Arc;

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
async fn as_client_it_is_answered_and_unwraps() -> Result<()> {
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
async fn as_server_it_answers_and_ends_well_or_not() -> Result<()> {
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
            assert_eq!(is_broken(&end), !ends_well, "{end:?}");
            stream.close().await.ok();
        }
        Ok(())
    })
    .await?;
    Ok(())
}
