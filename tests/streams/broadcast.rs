//! Broadcast channels and watched values.

use anyio::{
    CancelScope, Result,
    streams::{
        BoxedObjectReceiveStream, ObjectReceiveStream,
        broadcast::{self, Received},
        watch,
    },
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::rc::Rc;

#[anyio::test]
async fn receivers_are_streams_of_objects() -> Result<()> {
    let (sender, receiver) = broadcast::channel(8);
    let mut receiver = BoxedObjectReceiveStream::new(receiver);
    sender.send(1);
    drop(sender);
    assert_eq!(receiver.receive().await?, Some(Received::Item(1)));
    assert_eq!(receiver.receive().await?, None);
    let (sender, follower) = watch::channel(0);
    let mut follower = BoxedObjectReceiveStream::new(follower);
    sender.send(1);
    sender.send(2);
    drop(sender);
    assert_eq!(follower.receive().await?.as_deref(), Some(&2));
    assert_eq!(follower.receive().await?, None);
    Ok(())
}

#[anyio::test]
async fn every_receiver_gets_every_item() -> Result<()> {
    let (sender, receiver) = broadcast::channel(8);
    task_group(async |tg| -> Result<()> {
        let handles = [receiver.clone(), receiver].map(|mut receiver| {
            tg.start_soon(async move {
                let mut items = vec![];
                while let Some(Received::Item(item)) = receiver.receive().await? {
                    items.push(item);
                }
                anyio::Ok(items)
            })
        });
        wait_all_tasks_blocked().await?;
        assert_eq!(sender.statistics().tasks_waiting, 2);
        for item in 0..4 {
            assert_eq!(sender.send(item), 2);
        }
        drop(sender);
        for handle in handles {
            assert_eq!(handle.await?, [0, 1, 2, 3]);
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn items_that_all_have_are_let_go_and_the_last_one_gets_the_original() {
    let (sender, mut one) = broadcast::channel(2);
    let mut other = one.clone();
    let item = Rc::new(());
    sender.send(item.clone());
    assert!(matches!(one.receive_nowait(), Ok(Some(Received::Item(_)))));
    assert_eq!(sender.statistics().current_buffer_used, 1);
    drop(one);
    assert!(matches!(other.receive_nowait(), Ok(Some(Received::Item(_)))));
    assert_eq!((sender.statistics().current_buffer_used, Rc::strong_count(&item)), (0, 1));
    sender.send(item.clone());
    drop(other);
    assert_eq!((sender.statistics().current_buffer_used, Rc::strong_count(&item)), (0, 1));
    assert_eq!(sender.send(item.clone()), 0);
    assert_eq!(Rc::strong_count(&item), 1);
}

#[test]
fn who_falls_behind_is_told_how_far() {
    let (sender, mut slow) = broadcast::channel(2);
    let mut late = sender.subscribe();
    sender.send(0);
    assert_eq!(late.receive_nowait().unwrap(), Some(Received::Item(0)));
    for item in 1..6 {
        sender.send(item);
    }
    let mut new = sender.subscribe();
    assert!(new.receive_nowait().is_err());
    assert_eq!(slow.receive_nowait().unwrap(), Some(Received::Missed(4)));
    assert_eq!(slow.receive_nowait().unwrap(), Some(Received::Item(4)));
    assert_eq!(late.receive_nowait().unwrap(), Some(Received::Missed(3)));
    drop(late);
    assert_eq!(slow.receive_nowait().unwrap(), Some(Received::Item(5)));
    drop(sender);
    assert_eq!(slow.receive_nowait().unwrap(), None);
}

#[anyio::test]
async fn a_cancelled_receiver_of_a_broadcast_misses_nothing() -> Result<()> {
    let (sender, mut receiver) = broadcast::channel(2);
    let scope = CancelScope::new();
    scope.cancel();
    sender.send(1);
    assert_eq!(scope.run(async || receiver.receive().await).await?, None);
    assert_eq!(receiver.receive().await?, Some(Received::Item(1)));
    Ok(())
}

#[anyio::test]
async fn a_watcher_sees_the_newest_value_and_the_end() -> Result<()> {
    let (sender, mut receiver) = watch::channel(0);
    let mut other = receiver.clone();
    task_group(async |tg| -> Result<()> {
        let waiter =
            tg.start_soon(async { anyio::Ok(*receiver.wait_for(|value| *value == 3).await?.unwrap()) });
        wait_all_tasks_blocked().await?;
        assert_eq!(sender.statistics().tasks_waiting, 1);
        sender.send(1);
        sender.modify(|value| *value += 1);
        wait_all_tasks_blocked().await?;
        sender.send(3);
        assert_eq!(waiter.await?, 3);
        Ok(())
    })
    .await?;
    assert!(other.has_changed());
    assert_eq!(other.changed().await?.as_deref(), Some(&3));
    assert!(!other.has_changed());
    assert_eq!(*sender.send(4), 3);
    drop(sender);
    assert_eq!(other.changed().await?.as_deref(), Some(&4));
    assert_eq!(other.changed().await?, None);
    assert_eq!(*other.latest(), 4);
    Ok(())
}
