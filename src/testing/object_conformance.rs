//! What every stream of objects has to do.

use crate::{
    error::{Error, Result},
    group::task_group,
    scope::CancelScope,
    streams::{ObjectReceiveStream, ObjectSendStream},
    sync::Event,
    testing::wait_all_tasks_blocked,
};

/// Checks that a pair of streams, of which one sends numbers to the other, does what the traits promise: the order, the
/// end, cancellations that lose and send nothing, and the loss of the receiver. `make` gives a new pair each time.
///
/// ```
/// use anyio::{Result, streams::memory, testing::check_object_stream};
///
/// # anyio::run(async || -> Result<()> {
/// check_object_stream(async || Ok(memory::channel(1))).await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// Those of the streams, where none is expected.
///
/// # Panics
/// If the streams break a promise.
pub async fn check_object_stream<S, R>(make: impl AsyncFn() -> Result<(S, R)>) -> Result<()>
where
    S: ObjectSendStream<u32>,
    R: ObjectReceiveStream<Item = u32>,
{
    check_order(make().await?).await?;
    check_waiting(make().await?).await?;
    check_cancelled_receive(make().await?).await?;
    check_cancelled_send(make().await?).await?;
    let (sender, receiver) = make().await?;
    check_broken(sender, receiver).await
}

async fn check_order((mut sender, mut receiver): (impl Sender, impl Receiver)) -> Result<()> {
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            for number in 0..100 {
                sender.send(number).await?;
            }
            sender.send_eof().await?;
            sender.send_eof().await?;
            let refused = sender.send(100).await;
            assert!(refused.is_err(), "an object was sent after the end");
            Ok::<_, Error>(())
        });
        for number in 0..100 {
            assert_eq!(
                receiver.receive().await?,
                Some(number),
                "objects come in the order in which they were sent"
            );
        }
        assert_eq!(receiver.receive().await?, None, "after the last object the stream ends");
        assert_eq!(receiver.receive().await?, None, "the end is the end");
        Ok(())
    })
    .await?;
    Ok(())
}

async fn check_waiting((mut sender, mut receiver): (impl Sender, impl Receiver)) -> Result<()> {
    let received = Event::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            assert_eq!(receiver.receive().await?, Some(1));
            received.set();
            Ok::<_, Error>(())
        });
        wait_all_tasks_blocked().await?;
        assert!(!received.is_set(), "something was received before it was sent");
        sender.send(1).await
    })
    .await?;
    assert!(received.is_set());
    Ok(())
}

async fn check_cancelled_receive((mut sender, mut receiver): (impl Sender, impl Receiver)) -> Result<()> {
    let (scope, is_there) = (CancelScope::new(), Event::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let cancelled = scope.run(async || receiver.receive().await).await?;
            assert!(cancelled.is_none(), "a receive that waits is cancelled");
            is_there.wait().await?;
            let scope = CancelScope::new();
            scope.cancel();
            let cancelled = scope.run(async || receiver.receive().await).await?;
            assert!(cancelled.is_none(), "received in a cancelled scope");
            assert_eq!(receiver.receive().await?, Some(1), "a cancelled receive takes nothing");
            Ok::<_, Error>(())
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        wait_all_tasks_blocked().await?;
        let sending = tg.start_soon(async { sender.send(1).await });
        wait_all_tasks_blocked().await?;
        is_there.set();
        Ok(sending.await?)
    })
    .await?;
    Ok(())
}

async fn check_cancelled_send((mut sender, mut receiver): (impl Sender, impl Receiver)) -> Result<()> {
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let scope = CancelScope::new();
            scope.cancel();
            let cancelled = scope.run(async || sender.send(1).await).await?;
            assert!(cancelled.is_none(), "sent in a cancelled scope");
            sender.send(2).await
        });
        assert_eq!(receiver.receive().await?, Some(2), "what a cancelled send had does not come");
        Ok(())
    })
    .await?;
    Ok(())
}

async fn check_broken(mut sender: impl Sender, receiver: impl Receiver) -> Result<()> {
    drop(receiver);
    // What there is room for may be taken before the loss of the other side is known.
    for number in 0..10_000 {
        match sender.send(number).await {
            Ok(()) => crate::lowlevel::checkpoint().await?,
            Err(Error::BrokenResource(_)) => return Ok(()),
            Err(error) => panic!("sending to nobody gives {error:?}"),
        }
    }
    panic!("sending to nobody goes on for ever");
}

trait Sender: ObjectSendStream<u32> {}

impl<S: ObjectSendStream<u32>> Sender for S {}

trait Receiver: ObjectReceiveStream<Item = u32> {}

impl<R: ObjectReceiveStream<Item = u32>> Receiver for R {}
