//! Channels and events between threads.

use anyio::{
    Builder, CancelScope, Error, Result, cross,
    streams::{BoxedObjectReceiveStream, BoxedObjectSendStream, ObjectReceiveStream, ObjectSendStream},
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

#[anyio::test]
async fn what_many_threads_send_arrives_once_and_in_order_of_each() -> Result<()> {
    const SENDERS: usize = 3;
    const ITEMS: usize = 2000;
    let (sender, receiver) = cross::channel::<(usize, usize)>(8);
    let threads: Vec<_> = (0..SENDERS)
        .map(|number| {
            let sender = sender.clone();
            let backend = anyio::current_backend().unwrap();
            thread::spawn(move || {
                Builder::new().backend(backend).run(async || -> Result<()> {
                    for item in 0..ITEMS {
                        sender.send((number, item)).await?;
                    }
                    Ok(())
                })
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; SENDERS];
    let mut batch = vec![];
    while receiver.receive_batch(&mut batch, 5).await? > 0 {
        assert!(batch.len() <= 5);
        for (number, item) in batch.drain(..) {
            assert_eq!(item, next[number]);
            next[number] += 1;
        }
    }
    assert_eq!(next, [ITEMS; SENDERS]);
    for thread in threads {
        thread.join().unwrap()??;
    }
    Ok(())
}

#[anyio::test]
async fn a_full_channel_makes_senders_wait_and_a_lost_receiver_breaks_them() -> Result<()> {
    let (sender, receiver) = cross::channel(1);
    sender.send(1).await?;
    let refused = sender.send_nowait(2).unwrap_err();
    assert!(refused.item == 2 && matches!(refused.error, Error::WouldBlock));
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async { anyio::Ok(sender.send(2).await) });
        wait_all_tasks_blocked().await?;
        assert_eq!(receiver.receive().await?, Some(1));
        sending.await??;
        let broken = tg.start_soon(async { anyio::Ok(sender.send(3).await) });
        wait_all_tasks_blocked().await?;
        drop(receiver);
        assert!(matches!(broken.await?, Err(Error::BrokenResource(_))));
        Ok(())
    })
    .await?;
    assert_eq!(sender.send_nowait(4).unwrap_err().item, 4);
    Ok(())
}

#[anyio::test]
async fn a_wake_up_of_a_receiver_that_is_cancelled_goes_to_the_next() -> Result<()> {
    let (sender, receiver) = cross::channel(2);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let cancelled = tg.start_soon(async { scope.run(async || receiver.receive().await).await });
        wait_all_tasks_blocked().await?;
        let next = tg.start_soon(async { receiver.receive().await });
        wait_all_tasks_blocked().await?;
        sender.send_nowait(1)?;
        scope.cancel();
        // Cancelled first or received first: the item comes out once.
        match cancelled.await? {
            Some(item) => {
                assert_eq!(item, Some(1));
                sender.send_nowait(2)?;
                assert_eq!(next.await?, Some(2));
            }
            None => assert_eq!(next.await?, Some(1)),
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn threads_without_a_run_send_and_receive_what_is_there() {
    let (sender, receiver) = cross::channel(1);
    thread::spawn(move || sender.send_nowait(5).unwrap()).join().unwrap();
    assert_eq!(receiver.receive_nowait().unwrap(), Some(5));
    assert_eq!(receiver.receive_nowait().unwrap(), None);
}

#[anyio::test]
async fn an_event_set_on_another_thread_wakes_all_who_wait() -> Result<()> {
    let event = Arc::new(cross::Event::new());
    task_group(async |tg| -> Result<()> {
        for _ in 0..2 {
            tg.start_soon(async { anyio::Ok(event.wait().await?) });
        }
        wait_all_tasks_blocked().await?;
        let setter = event.clone();
        thread::spawn(move || setter.set());
        Ok(())
    })
    .await?;
    assert!(event.is_set());
    Ok(())
}

#[anyio::test]
async fn batches_arrive_whole_and_in_order_through_a_channel_smaller_than_they_are() -> Result<()> {
    const ITEMS: u32 = 10_000;
    let (sender, receiver) = cross::channel(16);
    let backend = anyio::current_backend().unwrap();
    let thread = thread::spawn(move || {
        Builder::new().backend(backend).run(async || -> Result<()> {
            let mut items: VecDeque<u32> = (0..ITEMS).collect();
            sender.send_batch(&mut items).await?;
            assert!(items.is_empty());
            Ok(())
        })
    });
    let mut received = vec![];
    while receiver.receive_batch(&mut received, 100).await? > 0 {}
    assert!(received.into_iter().eq(0..ITEMS));
    thread.join().unwrap()??;
    Ok(())
}

#[anyio::test]
async fn what_a_cancelled_batch_has_not_sent_stays_in_the_queue() -> Result<()> {
    let (sender, receiver) = cross::channel(2);
    let mut items = VecDeque::from([1, 2, 3, 4]);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async { scope.run(async || sender.send_batch(&mut items).await).await });
        wait_all_tasks_blocked().await?;
        assert_eq!(receiver.receive().await?, Some(1));
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert!(sending.await?.is_none());
        Ok(())
    })
    .await?;
    assert_eq!(items, [4]);
    drop(receiver);
    assert!(matches!(sender.send_batch(&mut items).await, Err(Error::BrokenResource(_))));
    assert_eq!(items, [4]);
    Ok(())
}

#[anyio::test]
async fn closing_a_sender_wakes_who_waits_on_it_and_nobody_else() -> Result<()> {
    let (sender, receiver) = cross::channel(1);
    let other = sender.clone();
    sender.send(1).await?;
    task_group(async |tg| -> Result<()> {
        let closed = tg.start_soon(async { anyio::Ok(sender.send(2).await) });
        wait_all_tasks_blocked().await?;
        let open = tg.start_soon(async { other.send(3).await });
        wait_all_tasks_blocked().await?;
        assert_eq!(receiver.statistics().tasks_waiting_send, 2);
        sender.close();
        sender.close();
        assert!(matches!(closed.await?, Err(Error::ClosedResource)));
        assert!(sender.is_closed() && sender.clone().is_closed());
        assert_eq!(receiver.statistics().open_senders, 1);
        assert_eq!(receiver.receive().await?, Some(1));
        open.await?;
        assert!(matches!(sender.send_nowait(4).unwrap_err().error, Error::ClosedResource));
        other.close();
        assert_eq!(receiver.receive().await?, Some(3));
        assert_eq!(receiver.receive().await?, None);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn closing_a_receiver_wakes_who_waits_on_it_and_drops_what_is_there() -> Result<()> {
    let (sender, receiver) = cross::channel(4);
    task_group(async |tg| -> Result<()> {
        let waiting = tg.start_soon(async { anyio::Ok(receiver.receive().await) });
        wait_all_tasks_blocked().await?;
        assert_eq!(sender.statistics().tasks_waiting_receive, 1);
        let other = receiver.clone();
        receiver.close();
        assert!(matches!(waiting.await?, Err(Error::ClosedResource)));
        assert!(receiver.is_closed() && receiver.clone().is_closed());
        let item = Arc::new(());
        sender.send(item.clone()).await?;
        assert_eq!(sender.statistics().current_buffer_used, 1);
        other.close();
        assert_eq!(Arc::strong_count(&item), 1);
        assert!(matches!(receiver.receive_nowait(), Err(Error::ClosedResource)));
        assert!(matches!(sender.send(item).await, Err(Error::BrokenResource(_))));
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn no_item_comes_after_the_end_although_a_sender_is_closed_while_it_is_used() {
    for _ in 0..500 {
        let (sender, receiver) = cross::channel::<u32>(64);
        thread::scope(|scope| {
            let sending =
                scope.spawn(|| (0..64).take_while(|&item| sender.send_nowait(item).is_ok()).count());
            let closing = scope.spawn(|| sender.close());
            let mut received = 0;
            loop {
                match receiver.receive_nowait() {
                    Ok(Some(_)) => received += 1,
                    Ok(None) => break,
                    Err(_) => thread::yield_now(),
                }
            }
            closing.join().unwrap();
            assert_eq!(sending.join().unwrap(), received);
        });
    }
}

#[anyio::test]
async fn the_ends_of_a_channel_are_streams_of_objects() -> Result<()> {
    let (sender, receiver) = cross::channel(1);
    let mut sender = BoxedObjectSendStream::new(sender);
    let mut receiver = BoxedObjectReceiveStream::new(receiver);
    sender.send(1).await?;
    assert!(matches!(sender.send_nowait(2), Err((Error::WouldBlock, 2))));
    sender.send_eof().await?;
    assert_eq!(receiver.receive().await?, Some(1));
    assert_eq!(receiver.receive().await?, None);
    Ok(())
}

#[anyio::test]
async fn a_busy_channel_lets_other_tasks_run() -> Result<()> {
    let (sender, receiver) = cross::channel(1);
    let event = cross::Event::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            event.set();
            anyio::Ok(())
        });
        for _ in 0..100_000 {
            sender.send(()).await?;
            receiver.receive().await?;
        }
        assert!(event.is_set());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn every_change_is_seen_by_who_waits_for_notifications() -> Result<()> {
    let shared = Arc::new((AtomicU64::new(0), cross::Notifier::new(), cross::Notifier::new()));
    let changer = shared.clone();
    let backend = anyio::current_backend().unwrap();
    let thread = thread::spawn(move || {
        let (number, changed, seen) = &*changer;
        let ended = Builder::new().backend(backend).run(async || -> Result<()> {
            for _ in 0..1000 {
                number.fetch_add(1, Ordering::Relaxed);
                changed.notify();
                seen.wait().await?;
            }
            Ok(())
        });
        // Had it not begun, the other would wait for ever.
        changed.notify();
        ended
    });
    let (number, changed, seen) = &*shared;
    for expected in 1..=1000 {
        changed.wait().await?;
        assert_eq!(number.load(Ordering::Relaxed), expected);
        seen.notify();
    }
    // The last notification leaves this run's driver with its next turn, so the thread must not be blocked before.
    anyio::to_thread::run_sync(move || thread.join()).await?.unwrap()??;
    Ok(())
}

#[anyio::test]
async fn notifications_are_kept_as_one_and_passed_on_by_who_is_cancelled() -> Result<()> {
    let notifier = cross::Notifier::new();
    notifier.notify();
    notifier.notify();
    assert!(notifier.statistics().notified);
    notifier.wait().await?;
    assert!(!notifier.take());
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let cancelled = tg.start_soon(async { Ok(scope.run(async || notifier.wait().await).await?) });
        wait_all_tasks_blocked().await?;
        let next = tg.start_soon(async { anyio::Ok(notifier.wait().await?) });
        wait_all_tasks_blocked().await?;
        assert_eq!(notifier.statistics().tasks_waiting, 2);
        notifier.notify();
        scope.cancel();
        if cancelled.await?.is_some() {
            notifier.notify();
        }
        next.await?;
        assert!(!notifier.statistics().notified);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn all_who_wait_are_notified_and_nothing_is_kept() -> Result<()> {
    let notifier = cross::Notifier::new();
    task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async { anyio::Ok(notifier.wait().await?) });
        }
        wait_all_tasks_blocked().await?;
        notifier.notify_all();
        Ok(())
    })
    .await?;
    assert!(!notifier.take());
    assert_eq!(notifier.statistics().tasks_waiting, 0);
    Ok(())
}

#[anyio::test]
async fn an_event_tells_how_many_wait_for_it() -> Result<()> {
    static EVENT: cross::Event = cross::Event::new();
    let event = cross::Event::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { anyio::Ok(event.wait().await?) });
        wait_all_tasks_blocked().await?;
        assert_eq!(event.statistics().tasks_waiting, 1);
        event.set();
        assert_eq!(event.statistics().tasks_waiting, 0);
        Ok(())
    })
    .await?;
    assert!(!EVENT.is_set());
    Ok(())
}

#[anyio::test]
async fn a_wake_up_leaves_before_the_task_that_gave_it_blocks_its_thread() -> Result<()> {
    for _ in 0..20 {
        let (event, backend) = (Arc::new(cross::Event::new()), anyio::current_backend().unwrap());
        let (waiting, waits) = std::sync::mpsc::channel();
        let awaited = event.clone();
        let thread = thread::spawn(move || {
            Builder::new().backend(backend).run(async || -> Result<()> {
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async { Ok::<_, Error>(awaited.wait().await?) });
                    wait_all_tasks_blocked().await?;
                    waiting.send(()).unwrap();
                    Ok(())
                })
                .await?;
                Ok(())
            })
        });
        waits.recv().unwrap();
        event.set();
        // This run has no turn meanwhile.
        thread.join().unwrap().unwrap()?;
    }
    Ok(())
}
