//! Channels and events between threads.

use anyio::{Builder, CancelScope, Error, Result, cross, task_group, testing::wait_all_tasks_blocked};
use std::{sync::Arc, thread};

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
