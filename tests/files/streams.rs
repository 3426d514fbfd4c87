use crate::folder::{calmly_on_each_backend, on_each_backend};
use anyio::{
    CancelScope, Chunk, Error, IoBufMut, Result,
    fs::{AlignedBuffer, File, FileReadStream, FileWriteStream, attribute},
    lowlevel, move_on_after,
    streams::{Attributes, BufferedByteStream, ByteReceiveStream, ByteSendStream, ObjectReceiveStream},
    task_group,
    testing::check_one_way_stream,
};
use std::{
    fs as blocking,
    io::SeekFrom,
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

fn contents(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n / 3) as u8).collect()
}

#[test]
fn chunks_come_in_order_and_the_last_is_shorter() {
    calmly_on_each_backend("it looks how long chunks are", async |folder| {
        let path = folder.join("file");
        let contents = contents(100_000);
        blocking::write(&path, &contents)?;
        for depth in [0, 1, 3, 50, usize::MAX] {
            let mut stream = FileReadStream::open(&path).await?.chunk_size(4096).read_ahead(depth);
            let mut read = Vec::new();
            while let Some(chunk) = stream.receive().await? {
                assert_eq!(chunk.len(), (contents.len() - read.len()).min(4096));
                read.extend_from_slice(&chunk);
                assert_eq!(stream.tell(), Some(read.len() as u64));
            }
            assert!(read == contents);
            assert!(stream.receive().await?.is_none());
            stream.close().await?;
        }
        Ok(())
    });
}

#[test]
fn a_stream_can_be_moved_and_gives_its_file_back() {
    calmly_on_each_backend("it looks how long chunks are", async |folder| {
        let path = folder.join("file");
        blocking::write(&path, contents(10_000))?;
        let mut file = File::open(&path).await?;
        file.seek(SeekFrom::Start(9)).await?;
        let mut stream = FileReadStream::from(file).chunk_size(3);
        assert_eq!(stream.receive().await?.as_deref(), Some(&[3, 3, 3][..]));
        stream.seek(300)?;
        assert_eq!(stream.receive().await?.as_deref(), Some(&[100, 100, 100][..]));
        assert!(stream.seek(u64::MAX).is_err());
        let mut file = stream.into_file();
        assert_eq!(file.stream_position()?, 303);
        Ok(())
    });
}

#[test]
fn a_stream_goes_on_after_a_cancellation_without_losing_a_byte() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let contents = contents(400_000);
        blocking::write(&path, &contents)?;
        let mut stream = FileReadStream::open(&path).await?.chunk_size(1000).read_ahead(5);
        let mut read = Vec::new();
        loop {
            // A scope that is cancelled while the stream waits, and one in which it does not.
            let scope = CancelScope::new();
            let chunk = task_group(async |tg| -> Result<Option<Option<Chunk>>> {
                let stream = &mut stream;
                let receiving = tg.start_soon({
                    let scope = scope.clone();
                    async move { scope.run(async || stream.receive().await).await }
                });
                lowlevel::checkpoint().await?;
                scope.cancel();
                Ok(receiving.await?)
            })
            .await?
            .flatten();
            let chunk = match chunk {
                Some(chunk) => chunk,
                None => stream.receive().await?,
            };
            match chunk {
                Some(chunk) => read.extend_from_slice(&chunk),
                None => break,
            }
        }
        assert!(read == contents);
        Ok(())
    });
}

#[test]
fn a_pipe_is_read_chunk_by_chunk_and_loses_nothing_to_a_cancellation() {
    on_each_backend(async |_| {
        let (reader, writer) = std::io::pipe()?;
        let mut stream = FileReadStream::from(File::from(OwnedFd::from(reader))).chunk_size(10);
        let mut sink = FileWriteStream::from(File::from(OwnedFd::from(writer)));
        assert_eq!(move_on_after(Duration::from_millis(5), stream.receive()).await?, None);
        sink.send("0123456789abc").await?;
        sink.close().await?;
        let mut received = Vec::new();
        while let Some(chunk) = stream.receive().await? {
            assert!((1..=10).contains(&chunk.len()), "{} bytes", chunk.len());
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received, b"0123456789abc");
        assert!(stream.seek(0).is_err() && stream.tell().is_none());
        Ok(())
    });
}

#[test]
fn buffers_are_written_one_behind_the_other() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        for depth in [0, 1, 4, 1000] {
            let mut stream = FileWriteStream::create(&path).await?.write_behind(depth);
            let mut expected = Vec::new();
            for n in 0..300u16 {
                let buffer = vec![n as u8; usize::from(n) * 7];
                expected.extend_from_slice(&buffer);
                stream.send(buffer).await?;
            }
            assert_eq!(stream.tell(), Some(expected.len() as u64));
            stream.flush().await?;
            assert!(blocking::read(&path)? == expected);
            stream.send("end").await?;
            stream.close().await?;
            expected.extend(b"end");
            assert!(blocking::read(&path)? == expected);
        }
        Ok(())
    });
}

#[test]
fn what_is_appended_comes_behind_the_old_contents() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, "old ")?;
        let mut stream = FileWriteStream::append(&path).await?;
        stream.send("and ").await?;
        stream.send("new").await?;
        stream.close().await?;
        assert_eq!(blocking::read(&path)?, b"old and new");
        Ok(())
    });
}

#[test]
fn a_late_error_is_told_once_in_full_and_the_stream_stays_broken() {
    on_each_backend(async |_| {
        let full = File::options().write(true).open("/dev/full").await?;
        let mut stream = FileWriteStream::from(full);
        stream.send("no room").await?;
        let error = stream.flush().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert!(error.to_string().starts_with("write /dev/full: "), "{error}");
        assert!(matches!(stream.send("more").await, Err(Error::BrokenResource(_))));
        let mut stream = FileWriteStream::from(File::options().write(true).open("/dev/full").await?);
        stream.send("no room").await?;
        assert_eq!(stream.close().await.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
        Ok(())
    });
}

#[test]
fn closing_in_a_cancelled_scope_writes_what_was_sent() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut stream = FileWriteStream::create(&path).await?.write_behind(100);
        for _ in 0..50 {
            stream.send(vec![1u8; 10_000]).await?;
        }
        let scope = CancelScope::new();
        let closed = scope
            .run(async || -> Result<()> {
                scope.cancel();
                assert!(matches!(stream.send("no").await, Err(Error::Cancelled(_))));
                stream.close().await
            })
            .await?;
        assert_eq!(closed, Some(()));
        assert_eq!(blocking::metadata(&path)?.len(), 500_000);
        Ok(())
    });
}

#[test]
fn direct_access_works_with_aligned_buffers() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut options = File::options();
        options.read(true).write(true).create(true).direct(true);
        let file = match options.open(&path).await {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()), // no such file system
            file => file?,
        };
        let mut buffer = AlignedBuffer::new(5000);
        assert_eq!(buffer.capacity(), 8192);
        buffer.resize(8192);
        buffer[4096..].fill(9);
        let (result, buffer) = file.write_all_at(buffer, 0).await;
        result?;
        let (count, buffer) = file.read_at(buffer, 4096).await;
        assert_eq!((count?, &buffer[..]), (4096, &[9u8; 4096][..]));
        Ok(())
    });
}

#[test]
fn an_aligned_buffer_takes_no_more_than_it_has_room_for() {
    let mut buffer = AlignedBuffer::with_alignment(3, 4);
    assert_eq!(buffer.extend_from_slice(b"abcdef"), Err(&b"ef"[..]));
    assert_eq!(&buffer[..], b"abcd");
    buffer.clear();
    assert!(buffer.is_empty());
}

fn pipe() -> Result<(File, File)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((OwnedFd::from(writer).into(), OwnedFd::from(reader).into()))
}

#[test]
fn files_that_are_pipes_conform_to_the_traits_of_streams() {
    on_each_backend(async |_| check_one_way_stream(async || pipe()).await);
}

#[test]
fn streams_over_pipes_conform_to_the_traits_of_streams() {
    on_each_backend(async |_| {
        check_one_way_stream(async || {
            let (writer, reader) = pipe()?;
            Ok((FileWriteStream::from(writer), FileReadStream::from(reader)))
        })
        .await
    });
}

#[test]
fn a_file_is_received_in_any_pieces_and_the_position_follows() {
    calmly_on_each_backend("it looks how long chunks are", async |folder| {
        let path = folder.join("file");
        let contents = contents(10_000);
        blocking::write(&path, &contents)?;
        let mut stream = FileReadStream::open(&path).await?.chunk_size(1000);
        assert!(stream.receive_at_most(300).await?.unwrap() == contents[..300]);
        assert_eq!(stream.tell(), Some(300));
        let (count, part) = stream.receive_into(Vec::with_capacity(500)).await;
        assert!(count? == 500 && part == contents[300..800]);
        let (result, part) = stream.receive_exactly_into(vec![0; 1700].into_boxed_slice()).await;
        result?;
        assert!(part[..] == contents[800..2500]);
        assert_eq!(stream.tell(), Some(2500));
        assert!(
            stream.receive().await?.unwrap() == contents[2500..3000],
            "the rest of the chunk comes first"
        );
        stream.receive_at_most(1).await?;
        stream.seek(9_999)?;
        assert!(stream.receive().await?.unwrap() == contents[9_999..]);
        assert!(stream.receive_at_most(1).await?.is_none());
        assert_eq!(stream.receive_into(vec![0; 3]).await.0?, 0);
        stream.seek(0)?;
        stream.receive_at_most(7).await?;
        let mut file = stream.into_file();
        assert!(ByteReceiveStream::receive_at_most(&mut file, 3).await?.unwrap() == contents[7..10]);
        assert_eq!(file.stream_position()?, 10);
        Ok(())
    });
}

#[test]
fn what_is_sent_as_a_stream_is_written_and_the_buffer_comes_back() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let mut stream = FileWriteStream::create(&path).await?;
        ByteSendStream::send(&mut stream, vec![1u8; 100_000]).await?;
        let (result, buffer) = stream.send_buf(vec![2u8; 10]).await;
        result?;
        assert_eq!(buffer, [2; 10]);
        assert_eq!(stream.tell(), Some(100_010));
        stream.close().await?;
        let mut file = File::options().append(true).open(&path).await?;
        ByteSendStream::send(&mut file, "end").await?;
        file.close().await?;
        let expected = [&[1; 100_000][..], &[2; 10], b"end"].concat();
        assert!(blocking::read(&path)? == expected);
        let full = File::options().write(true).open("/dev/full").await?;
        let (result, buffer) = FileWriteStream::from(full).send_buf("no room").await;
        assert_eq!((result.unwrap_err().raw_os_error(), buffer), (Some(libc::ENOSPC), "no room"));
        Ok(())
    });
}

#[test]
fn the_lines_of_a_file_come_whole_whatever_the_chunks() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let long = "ü".repeat(3000);
        blocking::write(&path, format!("one\r\n\n{long}\nlast\r"))?;
        for size in [1, 3, 100_000] {
            let stream = FileReadStream::open(&path).await?.chunk_size(size);
            let mut lines = BufferedByteStream::new(stream).lines(10_000);
            for expected in ["one", "", &long, "last\r"] {
                assert_eq!(lines.receive().await?.as_deref(), Some(expected));
            }
            assert_eq!(lines.receive().await?, None);
        }
        let mut buffered = BufferedByteStream::new(File::open(&path).await?);
        assert_eq!(buffered.receive_line(10).await?.as_deref(), Some("one"));
        assert_eq!(buffered.receive_until(b"\n", 10).await?, "");
        let too_long = buffered.receive_line(6000).await;
        assert!(matches!(too_long, Err(Error::DelimiterNotFound { max_bytes: 6000 })));
        assert_eq!(buffered.receive_line(6001).await?, Some(long.clone()));
        Ok(())
    });
}

#[test]
fn a_line_that_is_no_text_is_an_error_and_the_next_is_not() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        blocking::write(&path, b"a\xff\ntext\n")?;
        let mut buffered = BufferedByteStream::new(File::open(&path).await?);
        let refused = buffered.receive_line(100).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
        assert_eq!(buffered.receive_line(100).await?.as_deref(), Some("text"));
        assert_eq!(buffered.receive_line(100).await?, None);
        Ok(())
    });
}

#[test]
fn streams_know_the_path_and_the_descriptor_of_their_file() {
    on_each_backend(async |folder| {
        let path = folder.join("file");
        let stream = FileWriteStream::create(&path).await?;
        assert_eq!(stream.extra::<attribute::Path>().as_ref(), Some(&path));
        let lines = BufferedByteStream::new(FileReadStream::open(&path).await?).lines(1);
        assert_eq!(lines.extra::<attribute::Path>(), Some(path));
        let (_writer, reader) = pipe()?;
        assert_eq!(reader.extra::<attribute::Path>(), None);
        assert_eq!(reader.extra::<attribute::RawDescriptor>(), Some(reader.as_raw_fd()));
        Ok(())
    });
}
