//! What tasks wait for from each other.

use crate::sentences::{cancelled, cut_short, objects_are_conserved};
use anyio::{
    Result, current_cancel_reason,
    functools::lru_cache,
    lowlevel::checkpoint,
    shield,
    streams::{broadcast, memory, watch},
    sync::{
        Barrier, Borrower, CapacityLimiter, Condition, Event, Lock, Once, OnceCell, Promise, RwLock,
        Semaphore,
    },
    task_group,
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

/// Three tasks want the same; afterwards it is free, for whoever was cut short when.
macro_rules! contended {
    ($make:expr, |$shared:ident| $enter:block, $free:expr) => {
        cut_short(
            async || $make,
            async |shared| {
                let $shared = &*shared;
                task_group(async |tg| -> Result<()> {
                    for _ in 0..3 {
                        tg.start_soon(async {
                            $enter
                            anyio::Ok(())
                        });
                    }
                    Ok(())
                })
                .await
            },
            async |$shared, _| {
                let $shared = &$shared;
                assert!($free);
            },
        )
        .await
    };
}

/// Whether this was cancelled only because everything else had been, so that it waited in vain.
fn waited_in_vain() -> bool {
    let reason = current_cancel_reason();
    reason.is_some_and(|reason| reason.message() == Some("a child was cancelled, and the rest waited"))
}

#[anyio::test]
async fn what_one_at_a_time_has_is_free_afterwards() {
    covers![
        "sync/lock::Lock::acquire",
        "sync/semaphore::Semaphore::acquire",
        "sync/rw_lock::RwLock::read",
        "sync/rw_lock::RwLock::write",
        "sync/capacity_limiter::CapacityLimiter::acquire",
        "sync/capacity_limiter::CapacityLimiter::acquire_on_behalf_of"
    ];
    contended!(
        Lock::new(()),
        |lock| {
            let _guard = lock.acquire().await?;
            checkpoint().await?;
        },
        !lock.locked() && lock.statistics().tasks_waiting == 0 && lock.try_acquire().is_ok()
    );
    contended!(
        Semaphore::new(2),
        |semaphore| {
            let _permit = semaphore.acquire().await?;
            checkpoint().await?;
        },
        semaphore.value() == 2 && semaphore.statistics().tasks_waiting == 0
    );
    contended!(
        RwLock::new(()),
        |lock| {
            drop(lock.read().await?);
            let _guard = lock.write().await?;
            checkpoint().await?;
        },
        lock.try_write().is_ok()
    );
    contended!(
        CapacityLimiter::new(1),
        |limiter| {
            let _token = limiter.acquire().await?;
            checkpoint().await?;
        },
        limiter.borrowed_tokens() == 0 && limiter.statistics().tasks_waiting == 0
    );
    contended!(
        (CapacityLimiter::new(1), Cell::new(0)),
        |shared| {
            shared.1.set(shared.1.get() + 1);
            let _token = shared.0.acquire_on_behalf_of(Borrower::new(shared.1.get())).await?;
            checkpoint().await?;
        },
        shared.0.borrowed_tokens() == 0 && shared.0.statistics().tasks_waiting == 0
    );
}

#[anyio::test]
async fn nobody_is_left_at_a_barrier_an_event_or_a_promise() {
    covers!["sync/barrier::Barrier::wait", "sync/event::Event::wait", "sync/promise::Promise::wait"];
    contended!(
        Barrier::new(3),
        |barrier| {
            barrier.wait().await?;
        },
        barrier.statistics().tasks_waiting == 0
    );
    contended!(
        (Event::new(), Cell::new(0)),
        |shared| {
            shared.1.set(shared.1.get() + 1);
            if shared.1.get() == 3 {
                checkpoint().await?;
                shared.0.set();
            }
            shared.0.wait().await?;
        },
        shared.0.statistics().tasks_waiting == 0
    );
    contended!(
        (Promise::new(), Cell::new(0)),
        |shared| {
            shared.1.set(shared.1.get() + 1);
            if shared.1.get() == 3 {
                checkpoint().await?;
                shared.0.set(7).unwrap();
            }
            assert_eq!(shared.0.wait().await?, Some(&7));
        },
        shared.0.statistics().tasks_waiting == 0
    );
}

#[anyio::test]
async fn what_is_done_once_is_done_by_the_next_if_the_first_was_cut_short() {
    covers![
        "sync/once::Once::call",
        "sync/once_cell::OnceCell::get_or_try_init",
        "sync/once_cell::OnceCell::get_or_init",
        "functools/lru_cache::Cache::call"
    ];
    cut_short(
        async || (Once::new(), OnceCell::new(), Cell::new(0)),
        async |(once, cell, calls)| {
            let (once, cell, calls) = (&*once, &*cell, &*calls);
            task_group(async |tg| -> Result<()> {
                for _ in 0..2 {
                    tg.start_soon(async {
                        once.call(async || {
                            checkpoint().await?;
                            calls.set(calls.get() + 1);
                            anyio::Ok(())
                        })
                        .await?;
                        let value = cell.get_or_try_init(async || {
                            checkpoint().await?;
                            anyio::Ok(7)
                        });
                        assert_eq!(*value.await?, 7);
                        anyio::Ok(())
                    });
                }
                Ok(())
            })
            .await
        },
        async |(once, cell, calls), _| {
            once.call(async || {
                calls.set(calls.get() + 1);
                anyio::Ok(())
            })
            .await
            .unwrap();
            assert_eq!(calls.get(), 1);
            assert_eq!(*cell.get_or_init(async || 7).await.unwrap(), 7);
        },
    )
    .await;
    contended!(
        OnceCell::new(),
        |cell| {
            cell.get_or_init(async || shield(checkpoint()).await.is_ok()).await?;
        },
        cell.statistics().tasks_waiting == 0
    );
    let calls = Cell::new(0);
    let double = async |number: &u32| {
        calls.set(calls.get() + 1);
        checkpoint().await?;
        anyio::Ok(2 * *number)
    };
    contended!(
        lru_cache(double),
        |cache| {
            assert_eq!(cache.call(21).await?, 42);
        },
        shield(cache.call(21)).await.unwrap() == 42
    );
    assert!(calls.get() > 0);
}

#[anyio::test]
async fn a_notification_goes_to_somebody_who_waits() {
    covers!["sync/condition::Condition::wait", "sync/condition::Condition::wait_for"];
    cut_short(
        async || (Lock::new(0), Condition::new()),
        async |(lock, condition)| {
            let (lock, condition) = (&*lock, &*condition);
            task_group(async |tg| -> Result<()> {
                for _ in 0..2 {
                    tg.start_soon(async {
                        let mut guard = lock.acquire().await?;
                        while *guard == 0 {
                            guard = match condition.wait(guard).await {
                                Ok(guard) => guard,
                                Err(cancelled) => {
                                    assert!(
                                        !waited_in_vain() || *cancelled.into_guard() == 0,
                                        "a notification is lost"
                                    );
                                    checkpoint().await?;
                                    unreachable!("a cancelled scope stays so");
                                }
                            };
                        }
                        *guard -= 1;
                        anyio::Ok(())
                    });
                }
                tg.start_soon(async {
                    for _ in 0..2 {
                        let mut guard = lock.acquire().await?;
                        *guard += 1;
                        condition.notify(&guard, 1);
                        drop(guard);
                        checkpoint().await?;
                    }
                    anyio::Ok(())
                });
                Ok(())
            })
            .await
        },
        async |(lock, condition), _| {
            assert!(!lock.locked() && condition.statistics().tasks_waiting == 0);
        },
    )
    .await;
    contended!(
        (Lock::new(0), Condition::new()),
        |shared| {
            let mut guard = shared.0.acquire().await?;
            *guard += 1;
            shared.1.notify_all(&guard);
            let waited = shared.1.wait_for(guard, |arrived| *arrived >= 3).await;
            drop(waited);
            checkpoint().await?;
        },
        !shared.0.locked() && shared.1.statistics().tasks_waiting == 0
    );
}

#[anyio::test]
async fn no_item_of_a_channel_is_lost_or_doubled() {
    covers![
        "streams/memory/receive::ReceiveStream::receive",
        "streams/memory/send::SendStream::send",
        "streams/object::ObjectReceiveStream::receive",
        "streams/object::ObjectSendStream::send",
        "cross/channel/receiver::CrossReceiver::receive",
        "cross/channel/sender::CrossSender::send"
    ];
    objects_are_conserved(async || memory::channel(0)).await;
    objects_are_conserved(async || memory::channel(1)).await;
    objects_are_conserved(async || anyio::cross::channel(1)).await;
}

#[anyio::test]
async fn what_is_left_of_a_batch_was_not_sent() {
    covers![
        "cross/channel/receiver::CrossReceiver::receive_batch",
        "cross/channel/sender::CrossSender::send_batch"
    ];
    cut_short(
        async || (anyio::cross::channel(2), VecDeque::from([1, 2, 3, 4, 5]), Vec::new()),
        async |((sender, receiver), unsent, got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async { sender.send_batch(unsent).await });
                while got.len() < 5 {
                    receiver.receive_batch(got, 3).await?;
                }
                Ok(())
            })
            .await
        },
        async |((sender, receiver), unsent, mut got), _| {
            drop(sender);
            while receiver.receive_batch(&mut got, 9).await.unwrap() > 0 {}
            got.extend(unsent);
            assert_eq!(got, [1, 2, 3, 4, 5]);
        },
    )
    .await;
}

fn item_of(received: broadcast::Received<u32>) -> u32 {
    match received {
        broadcast::Received::Item(item) => item,
        broadcast::Received::Missed(count) => panic!("{count} items are lost"),
    }
}

#[anyio::test]
async fn receivers_of_broadcasts_and_watchers_miss_nothing() {
    covers![
        "streams/broadcast::BroadcastReceiver::receive",
        "streams/watch::WatchReceiver::changed",
        "streams/watch::WatchReceiver::wait_for"
    ];
    cut_short(
        async || (broadcast::channel(8), RefCell::new(Vec::new()), Cell::new(0)),
        async |((sender, receiver), got, sent)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for item in 0..3 {
                        checkpoint().await?;
                        sender.send(item);
                        sent.set(item + 1);
                    }
                    anyio::Ok(())
                });
                for _ in 0..3 {
                    let received = receiver.receive().await?.expect("the sender is there");
                    got.borrow_mut().push(item_of(received));
                }
                Ok(())
            })
            .await
        },
        async |((sender, mut receiver), got, sent), _| {
            drop(sender);
            let mut got = got.into_inner();
            while let Some(received) = receiver.receive().await.unwrap() {
                got.push(item_of(received));
            }
            assert_eq!(got, (0..sent.get()).collect::<Vec<u32>>());
        },
    )
    .await;
    cut_short(
        async || (watch::channel(0), Cell::new(0)),
        async |((sender, receiver), seen)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for value in 1..4 {
                        checkpoint().await?;
                        sender.send(value);
                    }
                    anyio::Ok(())
                });
                seen.set(*receiver.changed().await?.expect("the sender is there"));
                seen.set(*receiver.wait_for(|value| *value == 3).await?.expect("the sender is there"));
                Ok(())
            })
            .await
        },
        async |((sender, mut receiver), seen), _| {
            let latest = *sender.latest();
            if latest != seen.get() {
                // Values that were looked at are no change any more, but are seen all the same.
                assert_eq!(*receiver.wait_for(|value| *value == latest).await.unwrap().unwrap(), latest);
            }
        },
    )
    .await;
}

#[anyio::test(ordered = "each notification has to be taken before the next")]
async fn nobody_is_left_at_what_threads_share() {
    covers!["cross/event::Event::wait", "cross/notifier::Notifier::wait"];
    contended!(
        (anyio::cross::Event::new(), Cell::new(0)),
        |shared| {
            shared.1.set(shared.1.get() + 1);
            if shared.1.get() == 3 {
                checkpoint().await?;
                shared.0.set();
            }
            shared.0.wait().await?;
        },
        shared.0.statistics().tasks_waiting == 0
    );
    cancelled(
        async || (anyio::cross::Notifier::new(), Cell::new(0usize), Cell::new(0usize)),
        async |(notifier, notified, woken)| {
            let (notifier, notified, woken) = (&*notifier, &*notified, &*woken);
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for _ in 0..2 {
                        notifier.wait().await?;
                        woken.set(woken.get() + 1);
                    }
                    anyio::Ok(())
                });
                for _ in 0..2 {
                    checkpoint().await?;
                    // One that nobody has taken yet and the next count as one.
                    notified.set(notified.get() + usize::from(!notifier.statistics().notified));
                    notifier.notify();
                }
                Ok(())
            })
            .await
        },
        async |(notifier, notified, woken), _| {
            // What was not taken is kept.
            assert_eq!(notifier.take(), notified.get() > woken.get(), "{} {}", notified.get(), woken.get());
            assert_eq!(notifier.statistics().tasks_waiting, 0);
        },
    )
    .await;
}
