//! Streams of objects to and from `Stream`s and `Sink`s.

use anyio::{
    CancelScope, Error, Result,
    streams::{
        ObjectReceiveStream, ObjectSendStream, TextStream, memory,
        objects::{ItemStream, ObjectItems, ObjectSink, SinkStream, TryItemStream},
    },
    task_group,
    testing::{memory_stream_pair, wait_all_tasks_blocked},
};
use futures::channel::mpsc;
use futures_util::{FutureExt, SinkExt, StreamExt, stream};
use std::io;

#[anyio::test]
async fn what_a_sink_takes_comes_out_of_the_items_and_so_does_the_end() -> Result<()> {
    let (one, other) = memory_stream_pair();
    let mut sink = ObjectSink::new(TextStream::new(one));
    let items = ObjectItems::new(TextStream::new(other));
    for text in ["a", "b", "c"] {
        sink.send(text).await?;
    }
    sink.close().await?;
    sink.close().await?;
    assert!(matches!(sink.send("d").await, Err(Error::ClosedResource)));
    let texts: Vec<Result<String>> = items.collect().await;
    assert_eq!(texts.into_iter().collect::<Result<String>>()?, "abc");
    Ok(())
}

#[anyio::test]
async fn a_sink_sends_one_object_after_the_other_with_back_pressure() -> Result<()> {
    let (sender, receiver) = memory::channel(0);
    let mut sink = ObjectSink::new(sender);
    sink.feed(1).await?;
    // It is full now: neither the next object nor a flush goes on before somebody receives.
    assert!(sink.feed(2).now_or_never().is_none());
    assert!(sink.flush().now_or_never().is_none());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            sink.send(2).await?;
            sink.send_all(&mut stream::iter((3..6).map(Ok))).await?;
            anyio::Ok(())
        });
        for expected in 1..6 {
            assert_eq!(receiver.receive().await?, Some(expected));
        }
        assert_eq!(receiver.receive().await?, None);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn an_item_is_not_lost_when_its_future_is_dropped_or_its_adapter_taken_apart() -> Result<()> {
    let (sender, receiver) = memory::channel(4);
    let mut items = ObjectItems::new(receiver);
    assert!(items.next().now_or_never().is_none());
    sender.send(1).await?;
    assert_eq!(items.next().await.unwrap()?, 1);
    // This receive is in flight, and has been promised the item, when it is dropped.
    assert!(items.next().now_or_never().is_none());
    sender.send(2).await?;
    let receiver = items.into_inner();
    assert_eq!(receiver.receive().await?, Some(2));
    Ok(())
}

#[anyio::test]
async fn items_of_a_cancelled_scope_are_errors_and_go_on_afterwards() -> Result<()> {
    let (sender, receiver) = memory::channel(4);
    let mut items = ObjectItems::new(receiver);
    sender.send(1).await?;
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || items.next().await.transpose()).await?.is_none());
    assert_eq!(items.next().await.unwrap()?, 1);
    drop(sender);
    assert!(items.next().await.is_none());
    assert!(items.next().await.is_none());
    Ok(())
}

#[anyio::test]
async fn a_stream_of_others_is_received_from_and_loses_nothing_when_cancelled() -> Result<()> {
    let (mut sender, receiver) = mpsc::channel(1);
    let mut receiver = ItemStream::new(receiver);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            assert!(scope.run(async || receiver.receive().await).await?.is_none());
            assert_eq!(receiver.receive().await?, Some(1));
            assert_eq!(receiver.receive().await?, None);
            assert_eq!(receiver.receive().await?, None);
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        wait_all_tasks_blocked().await?;
        sender.try_send(1).unwrap();
        drop(sender);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn errors_of_a_stream_of_results_are_errors_of_receiving() -> Result<()> {
    let results = [Ok(1), Err(io::Error::from(io::ErrorKind::InvalidData)), Ok(2)];
    let mut receiver = TryItemStream::new(stream::iter(results));
    assert_eq!(receiver.receive().await?, Some(1));
    assert_eq!(receiver.receive().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(receiver.receive().await?, Some(2));
    assert_eq!(receiver.receive().await?, None);
    Ok(())
}

#[anyio::test]
async fn a_sink_of_others_is_sent_to_and_closed() -> Result<()> {
    let (sender, receiver) = mpsc::channel(0);
    let broken = |error| Error::BrokenResource(io::Error::other(error));
    let mut sender = SinkStream::new(sender.sink_map_err(broken));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            for number in 0..3 {
                sender.send(number).await?;
            }
            ObjectSendStream::<i32>::send_eof(&mut sender).await?;
            assert!(matches!(sender.send(3).await, Err(Error::BrokenResource(_))));
            anyio::Ok(())
        });
        assert_eq!(receiver.collect::<Vec<_>>().await, [0, 1, 2]);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_send_that_waits_until_a_sink_is_ready_has_sent_nothing_when_cancelled() -> Result<()> {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut sender =
        SinkStream::new(sender.sink_map_err(|error| Error::BrokenResource(io::Error::other(error))));
    sender.send(1).await?;
    // The second waits to be flushed, when the sink has it, and the third until there is room for it.
    for number in [2, 3] {
        let scope = CancelScope::new();
        task_group(async |tg| -> Result<()> {
            let cancelled = tg.start_soon(async { scope.run(async || sender.send(number).await).await });
            wait_all_tasks_blocked().await?;
            scope.cancel();
            assert!(cancelled.await?.is_none());
            Ok(())
        })
        .await?;
    }
    assert_eq!(receiver.next().await, Some(1));
    assert_eq!(receiver.next().await, Some(2));
    assert!(receiver.next().now_or_never().is_none());
    Ok(())
}
