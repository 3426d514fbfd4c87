//! Memory object streams.

use anyio::{
    CancelScope, Error, Result,
    lowlevel::checkpoint,
    streams::{
        broadcast,
        memory::{self, channel},
    },
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
};

fn would_block<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::WouldBlock)), "{result:?}");
}

#[anyio::test]
async fn receivers_that_wait_get_items_in_order() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    let received = task_group(async |tg| -> Result<_> {
        let receiver = tg.start_soon(async {
            let mut received = vec![];
            while let Some(item) = rx.receive().await? {
                received.push(item);
            }
            anyio::Ok(received)
        });
        wait_all_tasks_blocked().await?;
        for item in 0..5 {
            tx.send(item).await?;
        }
        tx.close();
        Ok(receiver.await?)
    })
    .await?;
    assert_eq!(received, Some(vec![0, 1, 2, 3, 4]));
    Ok(())
}

#[anyio::test]
async fn two_waiting_receivers_are_served_without_a_buffer() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    task_group(async |tg| -> Result<()> {
        let first = tg.start_soon(async { rx.receive().await });
        wait_all_tasks_blocked().await?;
        let second = tg.start_soon(async { rx.receive().await });
        wait_all_tasks_blocked().await?;
        assert_eq!(tx.statistics().tasks_waiting_receive, 2);
        tx.send_nowait(1)?;
        tx.send_nowait(2)?;
        let refused = tx.send_nowait(3).unwrap_err();
        assert_eq!(refused.item, 3);
        assert!(matches!(refused.error, Error::WouldBlock));
        let mut received = [first.await?, second.await?];
        received.sort_unstable();
        assert_eq!(received, [Some(1), Some(2)]);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn an_item_of_a_blocked_sender_can_be_taken_without_waiting() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    task_group(async |tg| -> Result<()> {
        for item in [1, 2] {
            let tx = &tx;
            tg.start_soon(async move { tx.send(item).await });
            wait_all_tasks_blocked().await?;
        }
        assert_eq!(rx.receive_nowait()?, Some(1));
        assert_eq!(rx.receive_nowait()?, Some(2));
        would_block(rx.receive_nowait());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn taking_from_a_full_buffer_lets_the_blocked_sender_go_on() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    task_group(async |tg| -> Result<()> {
        tx.send(1).await?;
        let sender = tg.start_soon(async { tx.send(2).await });
        wait_all_tasks_blocked().await?;
        assert_eq!(rx.receive_nowait()?, Some(1));
        sender.await?;
        assert_eq!(tx.statistics().current_buffer_used, 1);
        assert_eq!(rx.receive_nowait()?, Some(2));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_full_buffer_gives_items_first_in_first_out() -> Result<()> {
    let (tx, rx) = channel::<u32>(2);
    tx.send_nowait(1)?;
    tx.send_nowait(2)?;
    assert_eq!(tx.send_nowait(3).unwrap_err().item, 3);
    assert_eq!((rx.receive_nowait()?, rx.receive_nowait()?), (Some(1), Some(2)));
    Ok(())
}

#[test]
fn a_channel_works_outside_of_a_run() {
    let (tx, rx) = memory::unbounded::<u32>();
    tx.send_nowait(1).unwrap();
    assert_eq!(rx.receive_nowait().unwrap(), Some(1));
    would_block(rx.receive_nowait());
    drop(tx);
    assert_eq!(rx.receive_nowait().unwrap(), None);
}

#[anyio::test]
async fn a_closed_sending_end_is_the_end_for_receivers() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    tx.send(7).await?;
    tx.close();
    tx.close();
    assert!(matches!(tx.send(8).await, Err(Error::ClosedResource)));
    assert!(matches!(tx.send_nowait(8).unwrap_err().error, Error::ClosedResource));
    assert_eq!(rx.receive().await?, Some(7));
    assert_eq!(rx.receive().await?, None);
    assert_eq!(rx.receive().await?, None);
    Ok(())
}

#[anyio::test]
async fn a_closed_receiving_end_breaks_the_sending_end() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    rx.close();
    assert!(matches!(rx.receive().await, Err(Error::ClosedResource)));
    assert!(matches!(rx.receive_nowait(), Err(Error::ClosedResource)));
    assert!(matches!(tx.send(8).await, Err(Error::BrokenResource(_))));
    let refused = tx.send_nowait(9).unwrap_err();
    assert!(refused.item == 9 && matches!(refused.error, Error::BrokenResource(_)));
    Ok(())
}

#[anyio::test]
async fn a_closed_handle_of_a_broken_channel_is_closed() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    rx.close();
    tx.close();
    assert!(matches!(tx.send(8).await, Err(Error::ClosedResource)));
    Ok(())
}

#[anyio::test]
async fn the_end_reaches_receivers_that_wait() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    task_group(async |tg| -> Result<()> {
        let receiver = tg.start_soon(async { rx.receive().await });
        wait_all_tasks_blocked().await?;
        drop(tx);
        assert_eq!(receiver.await?, None);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn closing_the_last_receiver_breaks_senders_that_wait() -> Result<()> {
    let (tx, rx) = channel::<()>(0);
    task_group(async |tg| -> Result<()> {
        let sender = tg.start_soon(async { anyio::Ok(tx.send(()).await) });
        wait_all_tasks_blocked().await?;
        drop(rx);
        assert!(matches!(sender.await?, Err(Error::BrokenResource(_))));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn closing_a_handle_ends_the_waits_on_it_and_no_others() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    let (tx2, rx2) = (tx.clone(), rx.clone());
    task_group(async |tg| -> Result<()> {
        let closed = tg.start_soon(async { anyio::Ok(rx.receive().await) });
        let other = tg.start_soon(async { rx2.receive().await });
        wait_all_tasks_blocked().await?;
        rx.close();
        assert!(matches!(closed.await?, Err(Error::ClosedResource)));
        tx.send(5).await?;
        assert_eq!(other.await?, Some(5));

        let closed = tg.start_soon(async { anyio::Ok(tx.send(6).await) });
        let other = tg.start_soon(async { tx2.send(7).await });
        wait_all_tasks_blocked().await?;
        tx.close();
        assert!(matches!(closed.await?, Err(Error::ClosedResource)));
        assert_eq!(rx2.receive().await?, Some(7));
        other.await?;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn closing_the_last_receiver_drops_what_is_in_the_channel() -> Result<()> {
    let (tx, rx) = channel::<Rc<()>>(3);
    let item = Rc::new(());
    tx.send(item.clone()).await?;
    drop(rx);
    assert_eq!(Rc::strong_count(&item), 1);
    assert_eq!(tx.statistics().current_buffer_used, 0);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_receiver_leaves_no_trace() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let receiver = tg.start_soon(async { scope.run(async || rx.receive().await).await });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert_eq!(receiver.await?, None);
        assert_eq!(tx.send_nowait(1).unwrap_err().item, 1);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_sender_takes_its_item_back() -> Result<()> {
    let (tx, rx) = channel::<Rc<()>>(0);
    let (item, scope) = (Rc::new(()), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let sent = item.clone();
        let (tx, scope) = (&tx, &scope);
        let sender = tg.start_soon(async move { scope.run(async || tx.send(sent).await).await });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        would_block(rx.receive_nowait());
        assert_eq!(sender.await?, None);
        assert_eq!(Rc::strong_count(&item), 1);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn in_a_cancelled_scope_nothing_is_sent_or_received() -> Result<()> {
    let (tx, rx) = channel::<u32>(2);
    tx.send_nowait(1)?;
    let scope = CancelScope::new();
    scope.cancel();
    assert_eq!(scope.run(async || rx.receive().await).await?, None);
    assert_eq!(scope.run(async || tx.send(2).await).await?, None);
    assert_eq!(rx.receive().await?, Some(1));
    would_block(rx.receive_nowait());
    Ok(())
}

#[anyio::test]
async fn an_item_handed_over_before_the_cancellation_is_received() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let receiver = tg.start_soon(async { scope.run(async || rx.receive().await).await });
        wait_all_tasks_blocked().await?;
        tx.send_nowait(1)?;
        scope.cancel();
        assert_eq!(receiver.await?, Some(Some(1)));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_doomed_receiver_is_passed_over() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let receiver = tg.start_soon(async { scope.run(async || rx.receive().await).await });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        tx.send_nowait(1)?;
        assert_eq!(receiver.await?, None);
        assert_eq!(rx.receive().await?, Some(1));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn an_item_handed_to_a_receiver_that_is_dropped_goes_to_the_next() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    task_group(async |tg| -> Result<()> {
        {
            let mut dropped = pin!(rx.receive());
            std::future::poll_fn(|cx| {
                assert!(dropped.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            let next = tg.start_soon(async { rx.receive().await });
            wait_all_tasks_blocked().await?;
            tx.send_nowait(1)?;
            tx.send_nowait(2)?;
            assert_eq!(next.await?, Some(1));
        }
        assert_eq!(rx.receive_nowait()?, Some(2));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn items_of_dropped_receivers_keep_their_order() -> Result<()> {
    let (tx, rx) = channel::<u32>(3);
    {
        let mut dropped = pin!(rx.receive());
        std::future::poll_fn(|cx| {
            assert!(dropped.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        for item in 1..4 {
            tx.send_nowait(item)?;
        }
        assert_eq!(tx.statistics().current_buffer_used, 2);
    }
    for item in 1..4 {
        assert_eq!(rx.receive_nowait()?, Some(item));
    }
    Ok(())
}

#[anyio::test]
async fn clones_keep_the_channel_open() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    let (tx2, rx2) = (tx.clone(), rx.clone());
    drop((tx, rx));
    tx2.send(1).await?;
    assert_eq!(rx2.receive().await?, Some(1));
    Ok(())
}

#[anyio::test]
async fn the_clone_of_a_closed_handle_is_closed() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    tx.close();
    let clone = tx.clone();
    assert!(clone.is_closed());
    assert_eq!(rx.statistics().open_send_streams, 0);
    drop(clone);
    rx.close();
    assert!(rx.clone().is_closed());
    Ok(())
}

#[anyio::test]
async fn statistics_are_the_same_on_both_ends_and_after_closing() -> Result<()> {
    let (tx, rx) = channel::<u32>(1);
    let tx2 = tx.clone();
    task_group(async |tg| -> Result<()> {
        for item in [1, 2, 3] {
            let tx = &tx;
            tg.start_soon(async move { tx.send(item).await });
            wait_all_tasks_blocked().await?;
        }
        let statistics = rx.statistics();
        assert_eq!(statistics, tx.statistics());
        assert_eq!(statistics.current_buffer_used, 1);
        assert_eq!(statistics.max_buffer_used, 1);
        assert_eq!(statistics.max_buffer_size, 1);
        assert_eq!((statistics.open_send_streams, statistics.open_receive_streams), (2, 1));
        assert_eq!((statistics.tasks_waiting_send, statistics.tasks_waiting_receive), (2, 0));
        for item in 1..4 {
            assert_eq!(rx.receive().await?, Some(item));
        }
        Ok(())
    })
    .await?;
    drop(tx2);
    tx.close();
    rx.close();
    let statistics = tx.statistics();
    assert_eq!((statistics.open_send_streams, statistics.open_receive_streams), (0, 0));
    Ok(())
}

#[anyio::test]
async fn senders_that_wait_are_served_in_their_order() -> Result<()> {
    let (tx, rx) = channel::<u32>(0);
    let order = RefCell::new(vec![]);
    task_group(async |tg| -> Result<()> {
        for item in 0..5 {
            let (tx, order) = (&tx, &order);
            tg.start_soon(async move {
                tx.send(item).await?;
                order.borrow_mut().push(item);
                anyio::Ok(())
            });
            wait_all_tasks_blocked().await?;
        }
        for item in 0..5 {
            assert_eq!(rx.receive().await?, Some(item));
            wait_all_tasks_blocked().await?;
        }
        Ok(())
    })
    .await?;
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
    Ok(())
}

#[anyio::test]
async fn a_loop_that_never_waits_lets_others_run() -> Result<()> {
    let (tx, rx) = memory::unbounded::<u32>();
    task_group(async |tg| -> Result<()> {
        let other = tg.start_soon(async {
            checkpoint().await?;
            rx.close();
            anyio::Ok(())
        });
        while tx.send(1).await.is_ok() {}
        other.await?;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn items_come_as_a_stream_of_the_futures_crates() -> Result<()> {
    use futures_util::StreamExt;
    let (tx, rx) = channel::<u32>(0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            for item in 0..3 {
                tx.send(item).await?;
            }
            anyio::Ok(())
        });
        let items: Vec<Result<u32>> = rx.into_stream().collect().await;
        assert_eq!(items.into_iter().collect::<Result<Vec<_>>>()?, [0, 1, 2]);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn each_item_that_nobody_takes_goes_although_others_panic() -> Result<()> {
    struct Bomb(Rc<Cell<u32>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("an item");
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let (tx, rx) = memory::unbounded();
    for _ in 0..3 {
        tx.send(Bomb(dropped.clone())).await?;
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(rx))).is_err());
    assert_eq!(dropped.get(), 3);
    let (sender, receiver) = broadcast::channel(8);
    for _ in 0..3 {
        sender.send(Bomb(dropped.clone()));
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!(dropped.get(), 6);
    Ok(())
}
