//! Crates of tokio's world over TCP.

use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    streams::{
        ByteSendStream, ObjectReceiveStream, ObjectSendStream, StapledByteStream,
        io::{ByteIo, ByteReader, ByteWriter, ReadStream, WriteStream},
        objects::{SinkStream, TryItemStream},
    },
    task_group,
    testing::{check_one_way_stream, check_two_way_stream},
};
use async_compression::tokio::{
    bufread::{GzipDecoder, GzipEncoder as GzipReader},
    write::{GzipDecoder as GzipWriter, GzipEncoder},
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Framed, FramedRead, FramedWrite, LengthDelimitedCodec};

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

#[anyio::test]
async fn frames_of_tokio_util_are_a_stream_of_objects() -> Result<()> {
    let (client, server) = pair().await?;
    let (_receive, send) = client.split();
    let mut sender = SinkStream::new(FramedWrite::new(ByteWriter::new(send), LengthDelimitedCodec::new()));
    let (receive, _send) = server.split();
    let frames = FramedRead::new(ByteReader::new(receive), LengthDelimitedCodec::new());
    let mut receiver = TryItemStream::new(frames);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            for size in [0, 1, 1000, 300_000] {
                sender.send(tokio_util::bytes::Bytes::from(vec![size as u8; size])).await?;
            }
            ObjectSendStream::<tokio_util::bytes::Bytes>::send_eof(&mut sender).await
        });
        for size in [0, 1, 1000, 300_000] {
            assert_eq!(receiver.receive().await?.unwrap(), vec![size as u8; size]);
        }
        assert!(receiver.receive().await?.is_none());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn gzip_of_async_compression_is_a_stream_of_bytes_over_a_connection() -> Result<()> {
    let (client, server) = pair().await?;
    let text = "structured concurrency ".repeat(20_000);
    task_group(async |tg| -> Result<()> {
        // What packs and unpacks at the sending and what does at the receiving end are all streams of ours.
        tg.start_soon(async {
            let packed = GzipReader::new(std::io::Cursor::new(text.clone().into_bytes()));
            let mut packed = ReadStream::from_tokio(packed);
            while let Some(chunk) = anyio::streams::ByteReceiveStream::receive(&mut packed).await? {
                client.send(chunk).await?;
            }
            client.send_eof().await
        });
        let mut unpacking = WriteStream::from_tokio(GzipWriter::new(Vec::new()));
        while let Some(chunk) = server.receive().await? {
            ByteSendStream::send(&mut unpacking, chunk).await?;
        }
        unpacking.close().await?;
        assert!(unpacking.into_inner().into_inner().into_inner() == text.as_bytes());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn streams_out_of_tokio_pipes_conform() -> Result<()> {
    check_two_way_stream(async || {
        let (one, other) = tokio::io::duplex(4096);
        Ok([one, other]
            .map(|end| {
                let (read, write) = tokio::io::split(end);
                StapledByteStream::new(WriteStream::from_tokio(write), ReadStream::from_tokio(read))
            })
            .into())
    })
    .await
}

#[anyio::test]
async fn streams_that_go_through_tokio_and_back_conform() -> Result<()> {
    check_one_way_stream(async || {
        let (client, server) = pair().await?;
        let ((_, send), (receive, _)) = (client.split(), server.split());
        Ok((WriteStream::from_tokio(ByteWriter::new(send)), ReadStream::from_tokio(ByteReader::new(receive))))
    })
    .await
}
