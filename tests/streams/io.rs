//! Adapters to and from `futures-io`.

use crate::assert_receives::assert_receives;
use anyio::{
    CancelScope, Error, Result,
    net::UnixStream,
    streams::{
        ByteReceiveStream, ByteSendStream, StapledByteStream,
        io::{ByteIo, ByteReader, ByteWriter, ReadStream, WriteStream},
    },
    task_group,
    testing::{lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked},
};
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt, io::Cursor};
use std::{
    future::poll_fn,
    io::{self, IoSlice},
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

#[anyio::test]
async fn what_is_written_from_several_buffers_is_sent_as_one_piece() -> Result<()> {
    let (one, mut other) = memory_stream_pair();
    let (unused, _peer) = memory_stream_pair();
    let mut writer = ByteIo::new(unused, one);
    let large = vec![b'x'; 100_000];
    let slices = [IoSlice::new(b"head "), IoSlice::new(b""), IoSlice::new(&large)];
    let count = writer.write_vectored(&slices).await?;
    assert_eq!(count, 65_536, "so much is taken over at once");
    let small = [IoSlice::new(b"ta"), IoSlice::new(b"il")];
    assert_eq!(writer.write_vectored(&small).await?, 4);
    writer.flush().await?;
    let mut received = Vec::new();
    while received.len() < count + 4 {
        let chunk = other.receive().await?.unwrap();
        assert!(received.len() < count || chunk == "tail", "a piece came out in several");
        received.extend_from_slice(&chunk);
    }
    assert!(received.starts_with(b"head xxx") && received.ends_with(b"xxxtail"));
    Ok(())
}

#[anyio::test]
async fn a_cancelled_flush_loses_nothing_of_what_was_written() -> Result<()> {
    let (one, mut other) = lockstep_stream_pair();
    let mut writer = ByteWriter::new(one);
    writer.write_all(b"abcdef").await?;
    task_group(async |tg| -> Result<()> {
        let flushing = tg.start_soon(async { Ok::<_, Error>(writer.flush().await?) });
        wait_all_tasks_blocked().await?;
        assert_eq!(other.receive_at_most(2).await?.unwrap(), "ab");
        flushing.cancel();
        assert!(flushing.await.is_err());
        Ok(())
    })
    .await?;
    let scope = CancelScope::new();
    scope.cancel();
    let refused = scope.run(async || Ok::<_, Error>(writer.write_all(b"not taken over").await?)).await?;
    assert!(refused.is_none());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            writer.write_all(b"gh").await?;
            writer.close().await?;
            Ok::<_, Error>(())
        });
        let mut rest = Vec::new();
        while let Some(chunk) = other.receive().await? {
            rest.extend_from_slice(&chunk);
        }
        assert_eq!(rest, b"cdefgh");
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn small_and_large_writes_keep_their_order_while_the_reader_is_slow() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let mut writer = ByteWriter::new(one);
    // What is large is sent from where it lies, what is small by way of the writer's own buffer.
    let sizes = [1, 20_000, 300_000, 5, 16_384, 16_383, 1_000_000, 70_000, 3];
    let data: Vec<u8> = (0..sizes.iter().sum::<u32>()).map(|n| (n ^ (n >> 8)) as u8).collect();
    let read = task_group(async |tg| -> Result<Vec<u8>> {
        let reading = tg.start_soon(async {
            let mut all = Vec::new();
            while let Some(chunk) = other.receive_at_most(4096).await? {
                all.extend_from_slice(&chunk);
                anyio::lowlevel::checkpoint().await?;
            }
            anyio::Ok(all)
        });
        let mut rest = &data[..];
        for size in sizes {
            let (part, after) = rest.split_at(size as usize);
            writer.write_all(part).await?;
            rest = after;
        }
        writer.close().await?;
        Ok(reading.await?)
    })
    .await?;
    assert!(read.unwrap() == data);
    Ok(())
}

#[anyio::test]
async fn a_large_write_in_a_cancelled_scope_sends_nothing() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let mut writer = ByteWriter::new(one);
    let scope = CancelScope::new();
    scope.cancel();
    let large = vec![7; 50_000];
    assert_eq!(scope.run(async || Ok::<_, Error>(writer.write(&large).await?)).await?, None);
    writer.write_all(b"small").await?;
    writer.close().await?;
    assert_receives!(other, "small");
    assert!(other.receive().await?.is_none());
    Ok(())
}

#[anyio::test(calm = "it wants to be told of no lack of room where there is room")]
async fn a_stream_sends_at_once_what_there_is_room_for() -> Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    let (head, body) = ([1; 10], vec![2; 1 << 20]);
    let mut sent = 0;
    loop {
        match one.send_nowait(&[IoSlice::new(&head), IoSlice::new(&body)]) {
            Ok(count) => sent += count,
            Err(Error::WouldBlock) => break,
            Err(error) => return Err(error),
        }
    }
    assert!(sent > head.len());
    assert_eq!(one.send_nowait(&[IoSlice::new(&[])])?, 0);
    ByteSendStream::send_eof(&mut one).await?;
    assert!(matches!(one.send_nowait(&[IoSlice::new(&head)]), Err(Error::ClosedResource)));
    let mut received = Vec::new();
    while let Some(chunk) = ByteReceiveStream::receive(&mut other).await? {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received.len(), sent);
    assert!(received.starts_with(&head) && received[10..].starts_with(&[2; 100]));
    // One that cannot tell says so.
    let (mut memory, _peer) = memory_stream_pair();
    assert!(matches!(memory.send_nowait(&[IoSlice::new(&head)]), Err(Error::Unsupported(_))));
    Ok(())
}

#[anyio::test(calm = "it wants a lot to come at once")]
async fn where_a_lot_comes_it_is_received_into_the_reader_s_own_buffer() -> Result<()> {
    let (one, mut other) = UnixStream::pair()?;
    let data: Vec<u8> = (0..150_000u32).map(|n| (n >> 4) as u8).collect();
    let mut reader = ByteReader::new(one);
    let mut read = Vec::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            ByteSendStream::send(&mut other, data.clone()).await?;
            ByteSendStream::send_eof(&mut other).await
        });
        wait_all_tasks_blocked().await?;
        let mut most = 0;
        let mut buffer = vec![0; data.len()];
        loop {
            // The first takes what a small one has left of what came.
            for room in [data.len(), data.len(), 1] {
                let count = reader.read(&mut buffer[..room]).await?;
                read.extend_from_slice(&buffer[..count]);
                most = most.max(count);
            }
            if reader.read(&mut buffer[..0]).await? == 0 && read.len() == data.len() {
                break;
            }
        }
        assert!(read == data);
        assert_eq!(reader.read(&mut buffer).await?, 0);
        // More than one of the runtime's own buffers.
        assert!(most > anyio::lowlevel::take_chunk().spare_capacity(), "{most}");
        Ok(())
    })
    .await?;
    Ok(())
}

/// Gives full buffers, and when it is asked for what is there, some bytes or an error that it tells once.
struct Unsteady {
    answers: Vec<Result<usize>>,
    /// How many bytes come with an error.
    beside_errors: usize,
}

impl ByteReceiveStream for Unsteady {
    async fn receive(&mut self) -> Result<Option<anyio::Chunk>> {
        let mut chunk = anyio::lowlevel::take_chunk();
        let bytes = vec![b'c'; chunk.spare_capacity()];
        chunk.extend_from_slice(&bytes).unwrap();
        Ok(Some(chunk))
    }

    async fn receive_at_most(&mut self, _: usize) -> Result<Option<anyio::Chunk>> {
        unreachable!("a reader takes what comes")
    }

    async fn receive_into<B: anyio::IoBufMut>(&mut self, _: B) -> (Result<usize>, B) {
        unreachable!("a reader takes what comes")
    }

    fn receive_nowait(&mut self, buffer: &mut (impl bytes::BufMut + ?Sized)) -> Result<usize> {
        let answer = self.answers.pop().unwrap_or(Err(Error::WouldBlock));
        let count = *answer.as_ref().unwrap_or(&self.beside_errors);
        buffer.put_bytes(b'n', count.min(buffer.remaining_mut()));
        answer
    }
}

#[anyio::test]
async fn what_is_received_at_once_is_believed_to_its_number_and_its_errors() -> Result<()> {
    let broken = || Error::BrokenResource(io::ErrorKind::ConnectionReset.into());
    // From the last to the first; more than there is room for is not true.
    let answers = vec![Ok(0), Err(Error::Unsupported("it")), Err(broken()), Ok(usize::MAX), Ok(3)];
    let mut reader = ByteReader::new(Unsteady { answers, beside_errors: 0 });
    let full = anyio::lowlevel::take_chunk().spare_capacity();
    let mut buffer = vec![0; full];
    let mut next = async |bytes: u8, count: usize| {
        assert_eq!(reader.read(&mut buffer).await.unwrap(), count);
        assert!(buffer[..count].iter().all(|&byte| byte == bytes));
    };
    next(b'c', full).await;
    next(b'n', 3).await;
    // Three were not all that there was room for.
    next(b'c', full).await;
    next(b'n', full).await;
    let error = reader.read(&mut buffer).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let mut next = async |bytes: u8, count: usize| {
        assert_eq!(reader.read(&mut buffer).await.unwrap(), count);
        assert!(buffer[..count].iter().all(|&byte| byte == bytes));
    };
    next(b'c', full).await;
    next(b'c', full).await;
    next(b'n', 0).await;
    Ok(())
}

#[anyio::test]
async fn bytes_that_come_with_an_error_are_given_out_before_it() -> Result<()> {
    let broken = Error::BrokenResource(io::ErrorKind::ConnectionReset.into());
    let mut reader = ByteReader::new(Unsteady { answers: vec![Err(broken)], beside_errors: 2 });
    let mut buffer = vec![0; anyio::lowlevel::take_chunk().spare_capacity()];
    assert_eq!(reader.read(&mut buffer).await?, buffer.len());
    assert_eq!((reader.read(&mut buffer).await?, &buffer[..2]), (2, &b"nn"[..]));
    let error = reader.read(&mut buffer).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(reader.read(&mut buffer).await?, buffer.len());
    Ok(())
}

#[anyio::test]
async fn a_buffer_that_grows_takes_what_comes_and_a_small_one_is_filled_from_what_came() -> Result<()> {
    let full = anyio::lowlevel::take_chunk().spare_capacity();
    let mut reader = ByteReader::new(Unsteady { answers: vec![Ok(5)], beside_errors: 0 });
    let mut grows = Vec::with_capacity(2 * full);
    for expected in [full, 5] {
        assert_eq!(poll_fn(|cx| reader.poll_read_buf(cx, &mut grows)).await?, expected);
    }
    assert_eq!((grows.len(), &grows[full..]), (full + 5, &b"nnnnn"[..]));
    let mut reader = ByteReader::new(Unsteady { answers: vec![Ok(5)], beside_errors: 0 });
    let mut large = vec![0; full];
    assert_eq!(reader.read(&mut large).await?, full);
    // Whatever comes, it is not asked for so little at a time.
    assert_eq!((reader.read(&mut [0; 100]).await?, reader.read(&mut [0; 100]).await?), (100, 100));
    Ok(())
}
