//! Adapters to and from `futures-io`.

use anyio::{
    CancelScope, Error, Result,
    streams::{
        ByteReceiveStream, ByteSendStream, StapledByteStream,
        io::{ByteIo, ByteReader, ReadStream, WriteStream},
    },
    testing::memory_stream_pair,
};
use futures_util::{AsyncReadExt, AsyncWriteExt, io::Cursor};

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
    assert!(reader.into_inner().0.is_some());
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
