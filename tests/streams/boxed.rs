//! Streams whose type is not known.

use anyio::{
    CancelScope, Error, Result,
    net::UnixStream,
    streams::{
        BoxedByteReceiveStream, BoxedByteSendStream, BoxedByteStream, BoxedObjectReceiveStream,
        BoxedObjectSendStream, BoxedObjectStream, ByteReceiveStream, ByteSendStream, ObjectReceiveStream,
        ObjectSendStream, StapledObjectStream, memory,
    },
    task_group,
    testing::{
        check_half_closeable_stream, check_one_way_stream, memory_stream_pair, wait_all_tasks_blocked,
    },
};

#[anyio::test]
async fn boxed_memory_streams_conform() -> Result<()> {
    check_half_closeable_stream(async || {
        let (one, other) = memory_stream_pair();
        Ok((BoxedByteStream::new(one), BoxedByteStream::new(other)))
    })
    .await
}

#[anyio::test]
async fn boxed_sockets_conform() -> Result<()> {
    check_half_closeable_stream(async || {
        let (one, other) = UnixStream::pair()?;
        Ok((BoxedByteStream::new(one), BoxedByteStream::new(other)))
    })
    .await
}

#[anyio::test]
async fn boxed_halves_conform() -> Result<()> {
    check_one_way_stream(async || {
        let (one, other) = memory_stream_pair();
        Ok((BoxedByteSendStream::new(one), BoxedByteReceiveStream::new(other)))
    })
    .await
}

#[anyio::test]
async fn a_box_in_a_box_gives_back_the_buffer_it_was_lent() -> Result<()> {
    let (one, other) = memory_stream_pair();
    let mut one = BoxedByteStream::new(BoxedByteStream::new(one));
    let mut other = BoxedByteStream::new(BoxedByteStream::new(other));
    let (result, sent) = one.send_buf(*b"array").await;
    result?;
    assert_eq!(&sent, b"array");
    let (result, received) = other.receive_into([0; 8]).await;
    assert_eq!((result?, &received), (5, b"array\0\0\0"));
    Ok(())
}

#[anyio::test]
async fn objects_go_through_boxes_in_both_directions() -> Result<()> {
    let (sender, receiver) = memory::channel(1);
    let mut stream: BoxedObjectStream<u32> =
        BoxedObjectStream::new(StapledObjectStream::new(sender, receiver));
    stream.send(1).await?;
    let (error, item) = stream.send_nowait(2).unwrap_err();
    assert!(matches!(error, Error::WouldBlock) && item == 2);
    stream.send_eof().await?;
    assert_eq!(stream.receive().await?, Some(1));
    assert_eq!(stream.receive().await?, None);
    Ok(())
}

#[anyio::test]
async fn an_object_survives_a_cancelled_receive_behind_a_box() -> Result<()> {
    let (sender, receiver) = memory::channel(0);
    let mut sender: BoxedObjectSendStream<u32> = BoxedObjectSendStream::new(sender);
    let mut receiver: BoxedObjectReceiveStream<u32> = BoxedObjectReceiveStream::new(receiver);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            assert!(scope.run(async || receiver.receive().await).await?.is_none());
            assert_eq!(receiver.receive().await?, Some(5));
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        sender.send(5).await
    })
    .await?;
    Ok(())
}
