//! tokio-rustls.

use super::{
    super::authority::{LOCALHOST, client_config, client_config_of},
    super::connection,
    data, echo,
};
use anyio::{
    Error, Result,
    streams::{
        Attributes,
        io::ByteIo,
        tls::{TlsOptions, TlsStream, attribute::Handshake},
    },
    task_group,
};
use rustls::{
    HandshakeKind,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[anyio::test]
async fn as_client_it_is_echoed() -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let (client, server) = connection().await?;
        let options = TlsOptions::server(LOCALHOST.server_config());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { echo(TlsStream::wrap(server, &options).await?).await });
            let connector = TlsConnector::from(Arc::new(client_config_of(&[version])));
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
async fn as_server_it_echoes() -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let (client, server) = connection().await?;
        let options = TlsOptions::client(client_config(), "localhost")?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let config = Arc::new(LOCALHOST.server_config_of(&[version]));
                let (receive, send) = server.split();
                let mut stream = TlsAcceptor::from(config).accept(ByteIo::new(receive, send)).await?;
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

#[anyio::test]
async fn a_client_that_may_send_early_data_sends_none_and_is_resumed() -> Result<()> {
    let (mut client_config, mut server_config) = (client_config(), LOCALHOST.server_config());
    client_config.enable_early_data = true;
    server_config.max_early_data_size = 1000;
    let options = TlsOptions::client(client_config, "localhost")?;
    let acceptor = TlsAcceptor::from(Arc::new(server_config));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (client, server) = connection().await?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let (receive, send) = server.split();
                let mut stream = acceptor.accept(ByteIo::new(receive, send)).await?;
                let mut buffer = [0; 5];
                stream.read_exact(&mut buffer).await?;
                stream.write_all(&buffer).await?;
                stream.shutdown().await?;
                Ok::<_, Error>(())
            });
            let stream = TlsStream::wrap(client, &options).await?;
            assert_eq!(stream.extra::<Handshake>(), Some(expected));
            stream.send("hello").await?;
            assert_eq!(stream.receive().await?.unwrap(), "hello");
            assert!(stream.receive().await?.is_none());
            stream.close().await
        })
        .await?;
    }
    Ok(())
}
