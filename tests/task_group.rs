//! Task groups: borrows, errors, cancellations, panics, and children that come and go.

use anyio::{
    CancelScope, Error, ErrorGroup, ReasonKind, Result, amap, as_completed, gather, lowlevel, move_on_after,
    race, shield, sleep, sleep_forever, task_group,
};
use futures::{StreamExt, future::join, stream::FuturesUnordered};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

async fn panics(text: &'static str) -> Result<()> {
    std::panic::panic_any(text)
}

/// Says by name when it is dropped.
struct Dropped<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[anyio::test]
async fn children_borrow_and_have_ended_when_the_group_has() -> Result<()> {
    let names = vec!["a".to_string(), "bb".to_string()];
    let total = Cell::new(0);
    let given = task_group(async |tg| -> Result<i32> {
        for name in &names {
            let total = &total;
            tg.start_soon(async move {
                sleep(Duration::from_millis(1)).await?;
                total.set(total.get() + name.len());
                Ok(())
            });
        }
        Ok(7)
    })
    .await?;
    assert_eq!((given, total.get()), (Some(7), 3));
    Ok(())
}

#[anyio::test]
async fn a_child_does_not_run_before_the_body_waits() -> Result<()> {
    let run = Cell::new(false);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { run.set(true) });
        assert!(!run.get());
        lowlevel::checkpoint().await?;
        assert!(run.get());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_child_may_start_a_sibling_also_while_the_group_waits() -> Result<()> {
    let log = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        let log = &log;
        tg.start_soon(async move {
            sleep(SHORT).await?;
            log.borrow_mut().push(1);
            tg.start_soon(async move {
                lowlevel::checkpoint().await?;
                log.borrow_mut().push(2);
                Ok(())
            });
            Ok(())
        });
        Ok(())
    })
    .await?;
    assert_eq!(log.into_inner(), [1, 2]);
    Ok(())
}

#[anyio::test]
async fn the_end_of_an_empty_group_lets_others_run() -> Result<()> {
    let run = Cell::new(false);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { run.set(true) });
        task_group(async |_| -> Result<()> { Ok(()) }).await?;
        assert!(run.get());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn an_empty_group_in_a_cancelled_scope_is_no_checkpoint_that_fails() -> Result<()> {
    let scope = CancelScope::new();
    scope.cancel();
    let ended = scope
        .run(async || -> Result<Option<i32>> { Ok(task_group(async |_| -> Result<i32> { Ok(3) }).await?) })
        .await?;
    assert_eq!(ended, Some(Some(3)));
    Ok(())
}

#[anyio::test]
async fn a_failing_child_cancels_body_and_siblings() {
    let interrupted = Cell::new(0);
    let ended: Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
        let interrupted = &interrupted;
        for _ in 0..2 {
            tg.start_soon(async move {
                let ended = forever().await;
                interrupted.set(interrupted.get() + 1);
                ended
            });
        }
        tg.start_soon(async {
            sleep(SHORT).await?;
            Err::<(), _>(Error::WouldBlock)
        });
        let ended = forever().await;
        assert_eq!(tg.scope().reason().map(|reason| reason.kind()), Some(ReasonKind::SiblingFailed));
        interrupted.set(interrupted.get() + 1);
        ended
    })
    .await;
    assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
    assert_eq!(interrupted.get(), 3);
}

#[anyio::test]
async fn a_failing_body_cancels_the_children() {
    let ended: Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
        tg.start_soon(forever());
        sleep(Duration::ZERO).await?;
        Err(Error::EndOfStream)
    })
    .await;
    assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::EndOfStream)));
}

#[anyio::test]
async fn all_real_errors_come_out_first_in_time_first() {
    let ended: Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
        tg.start_soon(async {
            let _ = sleep_forever().await;
            Err::<(), _>(Error::EndOfStream)
        });
        tg.start_soon(async { Err::<(), _>(Error::WouldBlock) });
        let _ = sleep_forever().await;
        Err(Error::IncompleteRead)
    })
    .await;
    let errors: Vec<_> = ended.unwrap_err().into_iter().collect();
    assert!(matches!(errors[0], Error::WouldBlock));
    assert_eq!(errors.len(), 3);
}

#[anyio::test]
async fn a_body_that_is_cancelled_because_a_child_failed_adds_nothing() {
    let ended = task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Err::<(), _>(Error::WouldBlock) });
        forever().await
    })
    .await;
    assert_eq!(ended.unwrap_err().len(), 1);
}

#[anyio::test]
async fn a_group_absorbs_its_own_cancellation() -> Result<()> {
    let ended = task_group(async |tg| -> Result<()> {
        tg.start_soon(forever());
        tg.cancel();
        forever().await
    })
    .await?;
    assert_eq!(ended, None);
    let valued = task_group(async |tg| -> Result<i32> {
        tg.start_soon(forever());
        tg.cancel();
        Ok(1)
    })
    .await?;
    assert_eq!(valued, Some(1));
    Ok(())
}

#[anyio::test]
async fn an_outer_cancellation_leaves_the_group_alone_and_as_such() {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            let inside = task_group(async |tg| -> Result<()> {
                tg.start_soon(forever());
                tg.start_soon(async { scope.cancel() });
                forever().await
            })
            .await;
            let group = inside.unwrap_err();
            assert!(group.is_cancelled());
            Err(group.into())
        })
        .await;
    assert!(matches!(ended, Ok(None)));
}

#[anyio::test]
async fn a_cancellation_reaches_nested_groups() -> Result<()> {
    let interrupted = Cell::new(0);
    let ended = task_group(async |outer| -> Result<()> {
        let interrupted = &interrupted;
        outer.start_soon(async move {
            task_group(async |inner| -> Result<()> {
                for _ in 0..2 {
                    inner.start_soon(async move {
                        let ended = forever().await;
                        interrupted.set(interrupted.get() + 1);
                        ended
                    });
                }
                forever().await
            })
            .await?;
            Ok(())
        });
        sleep(SHORT).await?;
        outer.cancel();
        forever().await
    })
    .await?;
    assert_eq!((ended, interrupted.get()), (None, 2));
    Ok(())
}

#[anyio::test]
async fn nested_groups_hold_only_real_errors() {
    let ended = task_group(async |outer| -> Result<()> {
        outer.start_soon(forever());
        task_group(async |inner| -> Result<()> {
            inner.start_soon(forever());
            inner.start_soon(async { Err::<(), _>(Error::WouldBlock) });
            forever().await
        })
        .await?;
        Ok(())
    })
    .await;
    let Ok(Error::Group(inner)) = ended.unwrap_err().into_single() else { panic!("one nested group") };
    assert!(matches!(inner.into_single(), Ok(Error::WouldBlock)));
}

#[anyio::test]
async fn a_child_of_a_cancelled_group_runs_up_to_its_first_checkpoint() -> Result<()> {
    let begun = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        tg.cancel();
        let begun = &begun;
        tg.start_soon(async move {
            begun.set(begun.get() + 1);
            let ended = move_on_after(LONG, forever()).await;
            assert!(matches!(ended, Err(Error::Cancelled(_))));
            begun.set(begun.get() + 1);
            ended
        });
        Ok(())
    })
    .await?;
    assert_eq!(begun.get(), 2);
    Ok(())
}

#[anyio::test]
async fn cancelling_a_group_that_waits_for_its_children_cancels_them() -> Result<()> {
    let ended = task_group(async |tg| -> Result<i32> {
        tg.start_soon(async {
            sleep(SHORT).await?;
            tg.cancel();
            Ok(())
        });
        tg.start_soon(forever());
        Ok(2)
    })
    .await?;
    assert_eq!(ended, Some(2));
    Ok(())
}

#[anyio::test]
async fn an_outer_cancellation_while_the_group_waits_reaches_its_children() -> Result<()> {
    let waited = Cell::new(false);
    let ended = move_on_after(SHORT, async {
        task_group(async |tg| -> Result<()> {
            let waited = &waited;
            tg.start_soon(async move {
                let ended = forever().await;
                let _ = shield(sleep(SHORT)).await;
                waited.set(true);
                ended
            });
            Ok(())
        })
        .await?;
        forever().await
    })
    .await?;
    assert_eq!((ended, waited.get()), (None, true));
    Ok(())
}

#[anyio::test]
async fn a_group_in_a_timeout_times_out_as_one() {
    let ended: Result<()> = anyio::fail_after(SHORT, async {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(forever());
            tg.start_soon(forever());
            forever().await
        })
        .await?;
        Ok(())
    })
    .await;
    assert!(matches!(ended, Err(Error::TimedOut)));
}

#[anyio::test]
async fn a_foreign_cancellation_that_no_scope_asked_for_is_a_real_error() {
    let scope = CancelScope::new();
    scope.cancel();
    let stolen = RefCell::new(None);
    let _ = scope
        .run(async || -> Result<()> {
            *stolen.borrow_mut() = sleep(LONG).await.err();
            Ok(())
        })
        .await;
    let stolen = stolen.take().unwrap();
    let ended = task_group(async |tg| -> Result<()> {
        tg.start_soon(async move { Err::<(), Error>(stolen.into()) });
        Ok(())
    })
    .await;
    let group = ended.unwrap_err();
    assert!(!group.is_cancelled() && matches!(group.into_single(), Ok(Error::Cancelled(_))));
}

#[anyio::test]
#[should_panic(expected = "of the child")]
async fn a_panic_in_a_child_goes_on_in_the_parent() {
    let _ = task_group(async |tg| -> Result<()> {
        tg.start_soon(panics("of the child"));
        forever().await
    })
    .await;
}

#[anyio::test]
#[should_panic(expected = "of the body")]
async fn a_panic_in_the_body_goes_on_in_the_parent() {
    let _ = task_group(async |tg| -> Result<()> {
        tg.start_soon(forever());
        sleep(Duration::ZERO).await?;
        panic!("of the body")
    })
    .await;
}

#[anyio::test]
async fn siblings_are_cancelled_and_awaited_before_a_panic_goes_on() {
    let log = RefCell::new(Vec::new());
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        let log = &log;
        tg.start_soon(async move {
            let ended = forever().await;
            let _ = shield(sleep(SHORT)).await;
            log.borrow_mut().push("sibling");
            ended
        });
        tg.start_soon(panics("first"));
        tg.start_soon(async move {
            let _dropped = Dropped(log, "second");
            let _ = sleep_forever().await;
            panics("second").await
        });
        Ok(())
    }));
    let payload = poll_fn(|cx| {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| group.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|_| None),
            Err(payload) => Poll::Ready(Some(payload)),
        }
    })
    .await
    .expect("a panic");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"first"));
    drop(group);
    assert_eq!(log.into_inner(), ["second", "sibling"]);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

#[anyio::test]
#[should_panic(expected = "in a destructor")]
async fn a_panic_in_a_destructor_during_a_cancellation_goes_on_in_the_parent() {
    let _ = task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let _guard = PanicsWhenDropped;
            forever().await
        });
        sleep(Duration::ZERO).await?;
        tg.cancel();
        Ok(())
    })
    .await;
}

#[anyio::test]
async fn a_panic_in_a_destructor_of_a_dropped_group_spares_the_other_children() {
    let log = RefCell::new(Vec::new());
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        let log = &log;
        for name in ["first", "second"] {
            tg.start_soon(async move {
                let _dropped = Dropped(log, name);
                forever().await
            });
            tg.start_soon(async {
                let _guard = PanicsWhenDropped;
                forever().await
            });
        }
        forever().await
    }));
    assert!(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await);
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(group)));
    assert!(dropped.is_err());
    assert_eq!(log.into_inner(), ["second", "first"]);
}

#[anyio::test]
async fn a_dropped_group_drops_its_body_and_then_its_children_the_youngest_first() {
    let log = RefCell::new(Vec::new());
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        let log = &log;
        let _body = Dropped(log, "body");
        for name in ["oldest", "middle", "youngest"] {
            tg.start_soon(async move {
                let _dropped = Dropped(log, name);
                forever().await
            });
        }
        forever().await
    }));
    assert!(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await);
    drop(group);
    assert_eq!(log.into_inner(), ["body", "youngest", "middle", "oldest"]);
}

#[anyio::test]
async fn a_child_that_is_started_by_a_destructor_while_the_group_goes_is_dropped_at_once() {
    let log = RefCell::new(Vec::new());
    struct Starts<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Starts<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        let log = &log;
        tg.start_soon(async move {
            let _starts = Starts(|| {
                let dropped = Dropped(log, "late");
                let late = tg.start_soon(async move {
                    let _dropped = dropped;
                    panics("a child of a group that goes").await
                });
                assert!(late.is_finished());
                log.borrow_mut().push("started");
            });
            forever().await
        });
        forever().await
    }));
    assert!(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await);
    drop(group);
    assert_eq!(log.into_inner(), ["late", "started"]);
}

#[anyio::test]
async fn a_child_that_is_started_by_a_destructor_of_the_body_is_run() -> Result<()> {
    struct Starts<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Starts<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let run = Cell::new(false);
    task_group(async |tg| -> Result<()> {
        let run = &run;
        let _starts = Starts(|| {
            tg.start_soon(async move { run.set(true) });
        });
        Ok(())
    })
    .await?;
    assert!(run.get());
    Ok(())
}

#[anyio::test]
async fn groups_work_within_combinators_of_others() -> Result<()> {
    async fn group(naps: u64) -> Result<u64> {
        let total = Cell::new(0);
        task_group(async |tg| -> Result<()> {
            for nap in 0..naps {
                let total = &total;
                tg.start_soon(async move {
                    sleep(Duration::from_micros(nap * 100)).await?;
                    for _ in 0..200 {
                        lowlevel::checkpoint().await?;
                    }
                    total.set(total.get() + nap);
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(total.get())
    }
    let (three, five) = join(group(3), group(5)).await;
    assert_eq!((three?, five?), (3, 10));
    let mut many: FuturesUnordered<_> = (0..20).map(group).collect();
    let mut sum = 0;
    while let Some(total) = many.next().await {
        sum += total?;
    }
    assert_eq!(sum, (0..20u64).map(|naps| (0..naps).sum::<u64>()).sum());
    Ok(())
}

#[anyio::test]
async fn a_group_that_loses_a_select_is_dropped_whole() -> Result<()> {
    let before = lowlevel::statistics();
    let dropped = RefCell::new(Vec::new());
    {
        let group = Box::pin(task_group(async |tg| -> Result<()> {
            let dropped = &dropped;
            tg.start_soon(async move {
                let _dropped = Dropped(dropped, "child");
                forever().await
            });
            forever().await
        }));
        futures::future::select(group, Box::pin(sleep(SHORT))).await;
    }
    assert_eq!(dropped.into_inner(), ["child"]);
    assert_eq!(lowlevel::statistics(), before);
    Ok(())
}

#[anyio::test]
async fn a_hundred_thousand_children_run_and_are_cancelled() -> Result<()> {
    let ended = Cell::new(0u32);
    task_group(async |tg| -> Result<()> {
        for _ in 0..100_000 {
            let ended = &ended;
            tg.start_soon(async move {
                let _ = sleep(LONG).await;
                ended.set(ended.get() + 1);
            });
        }
        sleep(Duration::ZERO).await?;
        while lowlevel::statistics().waits < 100_000 {
            lowlevel::checkpoint().await?;
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(ended.get(), 100_000);
    Ok(())
}

#[anyio::test]
async fn nested_groups_are_cancelled_as_one() -> Result<()> {
    /// More than the polls of a turn. A thousand need a larger stack than a test's thread has.
    const DEPTH: usize = 200;
    fn nested(depth: usize) -> Pin<Box<dyn Future<Output = Result<()>>>> {
        Box::pin(async move {
            if depth == 0 {
                return forever().await;
            }
            task_group(async |tg| -> Result<()> {
                tg.start_soon(nested(depth - 1));
                forever().await
            })
            .await?;
            Ok(())
        })
    }
    let scope = CancelScope::new();
    let begun = Cell::new(false);
    let ended = task_group(async |tg| -> Result<Option<()>> {
        tg.start_soon(async {
            // Each group has two tasks, and each waits.
            while lowlevel::statistics().waits < DEPTH + 1 {
                lowlevel::checkpoint().await?;
            }
            begun.set(true);
            scope.cancel();
            anyio::Ok(())
        });
        scope.run(async || nested(DEPTH).await).await
    })
    .await?;
    assert_eq!((ended, begun.get()), (Some(None), true));
    Ok(())
}

#[anyio::test]
async fn a_task_that_yields_for_ever_starves_neither_timers_nor_other_groups() -> Result<()> {
    let turns = Cell::new(0u64);
    let before = Instant::now();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            loop {
                lowlevel::checkpoint().await?;
            }
            #[expect(unreachable_code, reason = "names the type")]
            anyio::Ok(())
        });
        let turns = &turns;
        tg.start_soon(async move {
            task_group(async |inner| -> Result<()> {
                inner.start_soon(async {
                    loop {
                        lowlevel::checkpoint().await?;
                        turns.set(turns.get() + 1);
                    }
                    #[expect(unreachable_code, reason = "names the type")]
                    anyio::Ok(())
                });
                Ok(())
            })
            .await?;
            Ok(())
        });
        sleep(Duration::from_millis(5)).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert!(turns.get() > 50, "{}", turns.get());
    assert!(before.elapsed() < Duration::from_secs(2));
    Ok(())
}

#[anyio::test]
async fn what_a_timer_woke_is_polled_before_what_yields_goes_on() -> Result<()> {
    // The timers expire while the first child holds the thread; after the next look at the clock all are polled in one
    // turn, although the yielding child alone would use up the budget of that turn.
    let yields = Cell::new(0u32);
    let seen = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        let (yields, seen) = (&yields, &seen);
        for _ in 0..100 {
            tg.start_soon(async move {
                sleep(SHORT).await?;
                seen.borrow_mut().push(yields.get());
                Ok(())
            });
        }
        let yielding = tg.start_soon(async move {
            loop {
                lowlevel::checkpoint().await?;
                yields.set(yields.get() + 1);
                if yields.get() == 1000 {
                    std::thread::sleep(SHORT * 2);
                }
            }
            #[expect(unreachable_code, reason = "names the type")]
            anyio::Ok(())
        });
        while seen.borrow().len() < 100 {
            lowlevel::checkpoint().await?;
        }
        yielding.cancel();
        Ok(())
    })
    .await?;
    let seen = seen.into_inner();
    assert!(seen.last().unwrap() - seen[0] <= 64 * 4, "from {} to {}", seen[0], seen[99]);
    Ok(())
}

#[anyio::test]
async fn gather_keeps_the_order_and_gives_all_errors() -> Result<()> {
    let values = gather([3u64, 1, 2].map(|n| async move {
        sleep(Duration::from_micros(n * 300)).await?;
        anyio::Ok(n)
    }))
    .await?;
    assert_eq!(values, [3, 1, 2]);
    assert_eq!(amap(async |n: u8| anyio::Ok(n + 1), [1, 2]).await?, [2, 3]);
    let failed = gather((0..3).map(|n| async move {
        if n == 1 {
            return Err(Error::WouldBlock);
        }
        Err::<(), Error>(sleep_forever().await.into())
    }))
    .await;
    assert_eq!(failed.unwrap_err().len(), 1);
    let empty: Vec<()> = gather(std::iter::empty::<std::future::Ready<Result<()>>>()).await?;
    assert!(empty.is_empty());
    assert_eq!(
        move_on_after(SHORT, async { Ok::<_, Error>(gather([forever(), forever()]).await?) }).await?,
        None
    );
    Ok(())
}

#[anyio::test]
async fn a_race_awaits_the_losers() -> Result<()> {
    let cleaned = Rc::new(Cell::new(false));
    let won = race((0..2).map(|n| {
        let cleaned = cleaned.clone();
        async move {
            if n == 1 {
                sleep(SHORT).await?;
                return anyio::Ok(n);
            }
            let ended = forever().await;
            let _ = shield(sleep(SHORT)).await;
            cleaned.set(true);
            ended.map(|()| n)
        }
    }))
    .await?;
    assert_eq!((won, cleaned.get()), (1, true));
    assert_eq!(race([async { Err::<(), _>(Error::WouldBlock) }]).await.unwrap_err().len(), 1);
    let passed_on =
        move_on_after(SHORT, async { Ok::<_, Error>(race([forever(), forever()]).await?) }).await?;
    assert_eq!(passed_on, None);
    Ok(())
}

#[anyio::test]
async fn values_come_as_they_are_completed() -> Result<()> {
    let naps = [2u64, 1, 3].map(|n| async move {
        sleep(Duration::from_millis(n * 2)).await?;
        anyio::Ok(n)
    });
    let order = as_completed(naps, async |mut values| {
        let mut order = Vec::new();
        while let Some((place, value)) = values.next().await? {
            order.push((place, value));
        }
        anyio::Ok(order)
    })
    .await?;
    assert_eq!(order, Some(vec![(1, 1), (0, 2), (2, 3)]));
    Ok(())
}

/// Polling and dropping recurse through the frames of the nested futures, so this depth needs a stack of its own.
#[test]
fn a_thousand_nested_groups_end_with_the_error_of_the_innermost() {
    fn nested(depth: usize) -> Pin<Box<dyn Future<Output = Result<()>>>> {
        Box::pin(async move {
            if depth == 0 {
                sleep(SHORT).await?;
                return Err(Error::WouldBlock);
            }
            let ended = task_group(async |tg| -> Result<()> {
                tg.start_soon(nested(depth - 1));
                forever().await
            })
            .await;
            Err(ended.unwrap_err().into_first())
        })
    }
    let program = || {
        let ended = anyio::run(async || nested(1000).await);
        assert!(matches!(ended, Err(Error::WouldBlock)));
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(program).unwrap().join().unwrap();
}
