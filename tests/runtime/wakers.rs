//! Wakers on other threads, after their run, and wakers that are not anyio's.

use anyio::{Result, foreign, lowlevel, sleep, sleep_forever, task_group};
use futures::{StreamExt, channel::oneshot, stream::FuturesUnordered, task::ArcWake};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(3600);

#[anyio::test]
async fn a_waker_wakes_from_another_thread() -> Result<()> {
    for _ in 0..20 {
        let woken = Arc::new(AtomicBool::new(false));
        let (mut thread, flag) = (None, woken.clone());
        poll_fn(|cx| {
            if woken.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            if thread.is_none() {
                let (waker, flag) = (cx.waker().clone(), flag.clone());
                thread = Some(thread::spawn(move || {
                    flag.store(true, Ordering::SeqCst);
                    let clone = waker.clone();
                    drop(waker);
                    clone.wake();
                }));
            }
            Poll::Pending
        })
        .await;
        thread.unwrap().join().unwrap();
    }
    Ok(())
}

#[anyio::test]
async fn threads_hand_values_to_children() -> Result<()> {
    let total = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let total = &total;
        let mut senders = Vec::new();
        for _ in 0..100 {
            let (sender, receiver) = oneshot::channel::<u64>();
            senders.push(sender);
            tg.start_soon(async move {
                let value = foreign(receiver).await?.unwrap();
                total.set(total.get() + value);
                anyio::Ok(())
            });
        }
        let thread =
            thread::spawn(|| senders.into_iter().zip(1..).for_each(|(sender, n)| sender.send(n).unwrap()));
        tg.start_soon(async move {
            while !thread.is_finished() {
                sleep(Duration::from_micros(200)).await?;
            }
            thread.join().unwrap();
            anyio::Ok(())
        });
        Ok(())
    })
    .await?;
    assert_eq!(total.get(), 5050);
    Ok(())
}

#[test]
fn wakers_may_be_used_after_their_run_on_any_thread() {
    let wakers: Vec<Waker> = anyio::run(async || {
        let wakers = RefCell::new(Vec::new());
        task_group(async |tg| -> Result<()> {
            for _ in 0..10 {
                tg.start_soon(poll_fn(|cx| {
                    wakers.borrow_mut().push(cx.waker().clone());
                    Poll::Ready(())
                }));
            }
            poll_fn(|cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            Ok(())
        })
        .await
        .unwrap();
        wakers.into_inner()
    });
    assert_eq!(wakers.len(), 11);
    let here = wakers.clone();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
    // The next run may have the same number; a stale wake is at worst spurious.
    anyio::run(async || {
        task_group(async |tg| -> Result<()> {
            for waker in &here {
                tg.start_soon(async { sleep(Duration::from_millis(1)).await.unwrap() });
                waker.wake_by_ref();
            }
            Ok(())
        })
        .await
        .unwrap();
    });
    here.into_iter().for_each(Waker::wake);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counting(AtomicUsize);

impl ArcWake for Counting {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[anyio::test]
async fn a_group_is_polled_by_a_waker_made_by_hand() -> Result<()> {
    let counting = Arc::new(Counting::default());
    let waker = futures::task::waker(counting.clone());
    let mut group = pin!(task_group(async |tg| -> Result<i32> {
        let child = tg.start_soon(async {
            sleep(Duration::from_millis(1)).await?;
            anyio::Ok(4)
        });
        Ok(child.await?)
    }));
    let mut polls = 0;
    let ended = loop {
        let woken = counting.0.load(Ordering::SeqCst);
        polls += 1;
        if let Poll::Ready(ended) = group.as_mut().poll(&mut Context::from_waker(&waker)) {
            break ended;
        }
        while counting.0.load(Ordering::SeqCst) == woken {
            lowlevel::checkpoint().await?;
        }
    };
    assert_eq!(ended?, Some(4));
    assert!(polls <= 4, "{polls}");
    Ok(())
}

#[anyio::test]
async fn a_cancellation_wakes_foreign_wakers_after_the_walk() -> Result<()> {
    /// Cancels another scope, and drops a future, when it is woken.
    struct Meddles(Mutex<Option<anyio::RemoteScope>>, AtomicUsize);
    impl ArcWake for Meddles {
        fn wake_by_ref(this: &Arc<Self>) {
            this.1.fetch_add(1, Ordering::SeqCst);
            if let Some(scope) = this.0.lock().unwrap().take() {
                scope.cancel();
            }
            DROPPED_WHEN_WOKEN.with(|slot| drop(slot.take()));
        }
    }
    thread_local! {
        static DROPPED_WHEN_WOKEN: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>> = const { RefCell::new(None) };
    }
    let (outer, other) = (anyio::CancelScope::new(), anyio::CancelScope::new());
    let ended = other
        .run(async || -> Result<()> {
            let meddles = Arc::new(Meddles(Mutex::new(Some(other.remote())), AtomicUsize::new(0)));
            let waker = futures::task::waker(meddles.clone());
            let inside = outer
                .run(async || -> Result<()> {
                    let mut naps: Vec<_> = (0..10).map(|_| Box::pin(sleep(LONG))).collect();
                    for nap in &mut naps {
                        assert!(nap.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                    }
                    // In the same scope as what is being cancelled.
                    let mut dropped: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
                        let _ = anyio::move_on_after(LONG, async {
                            Err::<(), anyio::Error>(sleep_forever().await.into())
                        })
                        .await;
                    });
                    assert!(dropped.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                    DROPPED_WHEN_WOKEN.with(|slot| *slot.borrow_mut() = Some(dropped));
                    outer.cancel();
                    assert_eq!(meddles.1.load(Ordering::SeqCst), 11);
                    for nap in naps {
                        assert!(nap.await.is_err());
                    }
                    Ok(())
                })
                .await?;
            assert_eq!(inside, Some(()));
            Err(sleep_forever().await.into())
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[test]
fn a_waker_that_panics_ends_the_run_and_spares_other_wakes() {
    struct Panics;
    impl ArcWake for Panics {
        fn wake_by_ref(_: &Arc<Self>) {
            panic!("in a waker");
        }
    }
    let panicked = std::panic::catch_unwind(|| {
        anyio::run(async || {
            let waker = futures::task::waker(Arc::new(Panics));
            let mut nap = Box::pin(sleep(Duration::from_millis(1)));
            assert!(nap.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            sleep_forever().await;
        })
    });
    assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"in a waker"));
    assert_eq!(anyio::run(async || 1), 1);
}

#[anyio::test]
async fn more_tasks_than_sixteen_bits_count_are_told_apart() -> Result<()> {
    const COUNT: usize = 70_000;
    let wakers = RefCell::new(Vec::new());
    let woken = RefCell::new(vec![false; COUNT]);
    task_group(async |tg| -> Result<()> {
        let (wakers, woken) = (&wakers, &woken);
        for n in 0..COUNT {
            let mut first = true;
            tg.start_soon(poll_fn(move |cx| {
                if std::mem::take(&mut first) {
                    wakers.borrow_mut().push(cx.waker().clone());
                    return Poll::Pending;
                }
                woken.borrow_mut()[n] = true;
                Poll::Ready(())
            }));
        }
        while wakers.borrow().len() < COUNT {
            lowlevel::checkpoint().await?;
        }
        for waker in wakers.take() {
            waker.wake();
        }
        Ok(())
    })
    .await?;
    assert!(woken.into_inner().into_iter().all(|woken| woken));
    Ok(())
}

#[anyio::test]
async fn generations_of_a_tasks_slot_may_go_round() -> Result<()> {
    // Each child uses the slot of the one before; a waker of the first wakes at worst another.
    let first = Cell::new(None::<Waker>);
    task_group(async |tg| -> Result<()> {
        for n in 0..66_000 {
            let first = &first;
            let child = tg.start_soon(poll_fn(move |cx| {
                if n == 0 {
                    first.set(Some(cx.waker().clone()));
                }
                Poll::Ready(())
            }));
            child.wait().await?;
        }
        Ok(())
    })
    .await?;
    first.take().unwrap().wake();
    sleep(Duration::ZERO).await?;
    Ok(())
}

#[anyio::test]
async fn a_groups_budget_is_no_trap_within_a_queue_of_others() -> Result<()> {
    let done = Cell::new(0);
    let mut many = FuturesUnordered::new();
    for _ in 0..4 {
        many.push(task_group(async |tg| -> Result<()> {
            for _ in 0..300 {
                tg.start_soon(async {
                    for _ in 0..5 {
                        lowlevel::checkpoint().await?;
                    }
                    done.set(done.get() + 1);
                    anyio::Ok(())
                });
            }
            Ok(())
        }));
    }
    while let Some(ended) = many.next().await {
        ended?;
    }
    assert_eq!(done.get(), 1200);
    Ok(())
}
