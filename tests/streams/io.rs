//! Adapters to and from `futures-io`.

use anyio::{
    CancelScope, Error, Result,
    streams::{
        ByteReceiveStream, ByteSendStream, StapledByteStream,
        io::{ByteIo, ByteReader, ByteWriter, ReadStream, WriteStream},
    },
    testing::memory_stream_pair,
};
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt, io::Cursor};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

#[anyio::test]
async fn bytes_written_are_read_at_the_other_end_and_so_is_the_end() -> Result<()> {
    let (one, other) = memory_stream_pair();
    let (unused, _peer) = memory_stream_pair();
    let mut writer = ByteIo::new(unused, one);
    let mut reader = ByteReader::new(other);
    let data: Vec<u8> = (0..200_000u32).map(|n| (n >> 4) as u8).collect();
    writer.write_all(&data).await?;
    writer.close().await?;
    assert!(writer.write_all(b"more").await.is_err());
    let mut read = vec![];
    reader.read_to_end(&mut read).await?;
    assert!(read == data);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_read_says_so_and_loses_nothing() -> Result<()> {
    let (mut one, other) = memory_stream_pair();
    let mut reader = ByteReader::new(other);
    let scope = CancelScope::new().with_timeout(std::time::Duration::from_millis(1));
    let read = scope.run(async || Ok::<_, Error>(reader.read(&mut [0; 4]).await?)).await?;
    assert_eq!(read, None);
    one.send("abcd").await?;
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes).await?;
    assert_eq!(&bytes, b"abcd");
    Ok(())
}

#[anyio::test]
async fn a_reader_that_is_taken_apart_gives_back_the_stream_and_every_byte() -> Result<()> {
    let (mut one, other) = memory_stream_pair();
    let mut reader = ByteReader::new(other);
    one.send("abcd").await?;
    reader.read_exact(&mut [0; 1]).await?;
    let (stream, rest) = reader.into_inner();
    assert_eq!(rest.unwrap(), "bcd");
    let mut reader = ByteReader::new(stream);
    // A receive is in flight when the reader is taken apart.
    assert!(reader.read(&mut [0; 4]).now_or_never().is_none());
    one.send("ef").await?;
    let (mut stream, rest) = reader.into_inner();
    assert!(rest.is_none());
    assert_eq!(stream.receive().await?.unwrap(), "ef");
    Ok(())
}

#[anyio::test]
async fn a_writer_gives_back_the_stream_when_everything_is_sent() -> Result<()> {
    let (one, mut other) = memory_stream_pair();
    let mut writer = ByteWriter::new(one);
    writer.write_all(b"abc").await?;
    writer.flush().await?;
    writer.into_inner().unwrap().send("d").await?;
    assert_eq!(other.receive_at_most(3).await?.unwrap(), "abc");
    assert_eq!(other.receive().await?.unwrap(), "d");
    Ok(())
}

#[anyio::test]
async fn readers_and_writers_of_others_are_streams() -> Result<()> {
    let mut source = ReadStream::new(Cursor::new(b"hello world".to_vec()));
    assert_eq!(source.receive_at_most(5).await?.unwrap(), "hello");
    let (count, buffer) = source.receive_into(Vec::with_capacity(3)).await;
    assert_eq!((count?, &buffer[..]), (3, &b" wo"[..]));
    let mut stapled = StapledByteStream::new(WriteStream::new(Cursor::new(vec![])), source);
    assert_eq!(stapled.receive().await?.unwrap(), "rld");
    assert!(stapled.receive().await?.is_none());
    stapled.send("written").await?;
    let (sink, _) = stapled.into_parts();
    let mut sink = sink.unwrap();
    sink.close().await?;
    assert_eq!(sink.into_inner().into_inner(), b"written");
    Ok(())
}

/// Says it has read or written more than it was given room or bytes for.
struct Exaggerates;

impl futures_io::AsyncRead for Exaggerates {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffer.len() + (1 << 20)))
    }
}

impl futures_io::AsyncWrite for Exaggerates {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len() + 1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[anyio::test]
async fn counts_that_cannot_be_true_are_errors() {
    let mut reader = ReadStream::new(Exaggerates);
    let (count, buffer) = reader.receive_into(Vec::with_capacity(16)).await;
    assert!(matches!(count, Err(Error::Io(_))), "{count:?}");
    assert!(buffer.is_empty());
    assert!(matches!(reader.receive().await, Err(Error::Io(_))));
    assert!(matches!(reader.receive_at_most(3).await, Err(Error::Io(_))));
    assert!(matches!(WriteStream::new(Exaggerates).send("bytes").await, Err(Error::Io(_))));
}
