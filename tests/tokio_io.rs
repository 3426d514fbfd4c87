//! Crates of tokio's world over TCP.

use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    streams::io::{ByteIo, ByteReader, ByteWriter},
    task_group,
};
use async_compression::tokio::{bufread::GzipDecoder, write::GzipEncoder};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

async fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

#[anyio::test]
async fn frames_of_tokio_util_go_both_ways() -> Result<()> {
    let (client, server) = pair().await?;
    let [mut client, mut server] = [client, server].map(|stream| {
        let (receive, send) = stream.split();
        Framed::new(ByteIo::new(receive, send), LengthDelimitedCodec::new())
    });
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            while let Some(frame) = server.next().await {
                server.send(frame?.freeze()).await?;
            }
            anyio::Ok(())
        });
        for size in [0, 1, 1000, 300_000] {
            let frame = vec![size as u8; size];
            client.send(tokio_util::bytes::Bytes::from(frame.clone())).await?;
            assert_eq!(client.next().await.unwrap()?, frame);
        }
        drop(client);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn gzip_of_async_compression_survives_a_connection() -> Result<()> {
    let (client, server) = pair().await?;
    let text = "structured concurrency ".repeat(20_000);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let (_receive, send) = client.split();
            let mut encoder = GzipEncoder::new(ByteWriter::new(send));
            encoder.write_all(text.as_bytes()).await?;
            encoder.shutdown().await?;
            anyio::Ok(())
        });
        let (receive, _send) = server.split();
        let mut unpacked = String::new();
        GzipDecoder::new(ByteReader::new(receive)).read_to_string(&mut unpacked).await?;
        assert!(unpacked == text);
        Ok(())
    })
    .await?;
    Ok(())
}
