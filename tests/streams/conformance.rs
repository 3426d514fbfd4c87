//! The streams of this crate do what their traits promise.

use anyio::{
    Error, Result, cross,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    streams::{
        BoxedObjectReceiveStream, BoxedObjectSendStream, BufferedByteStream, StapledByteStream,
        io::{ByteReader, ByteWriter, ReadStream, WriteStream},
        memory,
        objects::{ObjectItems, ObjectSink, SinkStream, TryItemStream},
    },
    task_group,
    testing::{
        Sequencer, check_half_closeable_stream, check_object_stream, check_one_way_stream,
        lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked,
    },
};

#[anyio::test]
async fn memory_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || Ok(memory_stream_pair())).await
}

#[anyio::test]
async fn buffered_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || {
        let (one, other) = memory_stream_pair();
        Ok((BufferedByteStream::new(one), BufferedByteStream::new(other)))
    })
    .await
}

#[anyio::test]
async fn stapled_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || {
        let ((to_one, from_other), (to_other, from_one)) = (memory_stream_pair(), memory_stream_pair());
        Ok((StapledByteStream::new(to_other, from_other), StapledByteStream::new(to_one, from_one)))
    })
    .await
}

#[anyio::test]
async fn lockstep_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || Ok(lockstep_stream_pair())).await
}

#[anyio::test(clock = "virtual")]
async fn streams_conform_on_a_virtual_clock() -> Result<()> {
    check_half_closeable_stream(async || Ok(lockstep_stream_pair())).await?;
    check_half_closeable_stream(connection).await
}

#[anyio::test]
async fn streams_around_lockstep_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || {
        let (one, other) = lockstep_stream_pair();
        Ok((BufferedByteStream::new(one), BufferedByteStream::new(other)))
    })
    .await?;
    check_half_closeable_stream(async || {
        let ((to_one, from_other), (to_other, from_one)) = (lockstep_stream_pair(), lockstep_stream_pair());
        Ok((StapledByteStream::new(to_other, from_other), StapledByteStream::new(to_one, from_one)))
    })
    .await
}

async fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

#[anyio::test]
async fn tcp_streams_conform() -> Result<()> {
    check_half_closeable_stream(connection).await
}

#[anyio::test]
async fn unix_streams_conform() -> Result<()> {
    check_half_closeable_stream(unix_connection).await
}

async fn unix_connection() -> Result<(UnixStream, UnixStream)> {
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).await?;
    let client = UnixStream::connect(&path).await?;
    let server = listener.accept().await?;
    folder.close().await?;
    Ok((client, server))
}

#[anyio::test]
async fn the_halves_of_sockets_conform() -> Result<()> {
    check_one_way_stream(async || {
        let (client, server) = connection().await?;
        let ((_, sender), (receiver, _)) = (client.split(), server.split());
        Ok((sender, receiver))
    })
    .await?;
    check_one_way_stream(async || {
        let (client, server) = unix_connection().await?;
        let ((_, sender), (receiver, _)) = (client.split(), server.split());
        Ok((sender, receiver))
    })
    .await?;
    // Stapled together they are whole again.
    check_half_closeable_stream(async || {
        let (one, other) = connection().await?;
        let staple = |stream: TcpStream| {
            let (receive, send) = stream.split();
            StapledByteStream::new(send, receive)
        };
        Ok((staple(one), staple(other)))
    })
    .await
}

/// Through a process that passes on what it gets.
#[anyio::test]
async fn the_streams_of_processes_conform() -> Result<()> {
    check_one_way_stream(pipes).await
}

async fn pipes() -> Result<(ChildStdin, ChildStdout)> {
    let mut cat =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(false).spawn()?;
    Ok((cat.stdin.take().expect("it is piped"), cat.stdout.take().expect("it is piped")))
}

#[anyio::test]
async fn channels_and_boxes_around_their_ends_conform() -> Result<()> {
    for capacity in [0, 1, 1000] {
        check_object_stream(async || Ok(memory::channel(capacity))).await?;
    }
    check_object_stream(async || Ok(cross::channel(1))).await?;
    check_object_stream(async || {
        let (sender, receiver) = memory::channel(0);
        Ok((BoxedObjectSendStream::new(sender), BoxedObjectReceiveStream::new(receiver)))
    })
    .await
}

#[anyio::test]
async fn streams_of_objects_that_go_through_sinks_and_back_conform() -> Result<()> {
    for capacity in [0, 1, 1000] {
        check_object_stream(async || {
            let (sender, receiver) = memory::channel(capacity);
            Ok((SinkStream::new(ObjectSink::new(sender)), TryItemStream::new(ObjectItems::new(receiver))))
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn streams_out_of_readers_and_writers_out_of_streams_conform() -> Result<()> {
    check_one_way_stream(async || {
        let (one, other) = memory_stream_pair();
        Ok((WriteStream::new(ByteWriter::new(one)), ReadStream::new(ByteReader::new(other))))
    })
    .await
}

#[anyio::test]
async fn a_cancelled_turn_breaks_the_sequence() -> Result<()> {
    let sequencer = Sequencer::new();
    task_group(async |tg| -> Result<()> {
        let waiting = tg.start_soon(async { anyio::Ok(sequencer.turn(2).await.map(drop)) });
        let cancelled = tg.start_soon(async { sequencer.turn(1).await.map(drop) });
        wait_all_tasks_blocked().await?;
        cancelled.cancel();
        assert!(matches!(waiting.await?, Err(Error::BrokenResource(_))));
        assert!(matches!(sequencer.turn(0).await, Err(Error::BrokenResource(_))));
        Ok(())
    })
    .await?;
    Ok(())
}
