//! Cancel scopes: who is cancelled, who absorbs it, and what survives it.

use anyio::{
    CancelScope, Cancelled, Error, ReasonKind, Result, current_effective_deadline, foreign, lowlevel,
    move_on_after, shield, sleep, sleep_forever, sync::Event, task_group, testing::test_backends, using,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn, ready},
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(3600);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

/// Polls once within the current scope.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[anyio::test]
async fn a_body_that_is_cancelled_ends_at_its_first_checkpoint() -> Result<()> {
    let reached = Cell::new(0);
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            scope.cancel();
            reached.set(1);
            lowlevel::checkpoint().await?;
            reached.set(2);
            Ok(())
        })
        .await?;
    assert_eq!((ended, reached.get()), (None, 1));
    assert!(scope.cancel_called() && scope.cancelled_caught());
    Ok(())
}

#[anyio::test]
async fn a_scope_may_be_cancelled_before_its_body_begins() -> Result<()> {
    let scope = CancelScope::new();
    scope.cancel();
    let begun = Cell::new(false);
    let ended = scope
        .run(async || -> Result<()> {
            begun.set(true);
            Ok(sleep(LONG).await?)
        })
        .await?;
    assert_eq!((ended, begun.get()), (None, true));
    Ok(())
}

#[anyio::test]
async fn cancelling_is_a_state_that_every_checkpoint_gives_again() -> Result<()> {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            scope.cancel();
            for _ in 0..3 {
                assert_eq!(sleep(LONG).await, Err(Cancelled::clone(&sleep_forever().await)));
                assert!(lowlevel::checkpoint().await.is_err());
                assert!(lowlevel::checkpoint_if_cancelled().await.is_err());
                assert!(foreign(ready(1)).await.is_err());
            }
            lowlevel::cancel_shielded_checkpoint().await;
            assert!(lowlevel::is_cancelled());
            forever().await
        })
        .await?;
    assert_eq!(ended, None);
    assert!(!lowlevel::is_cancelled());
    sleep(Duration::ZERO).await?;
    Ok(())
}

#[anyio::test]
async fn a_value_is_never_lost_to_a_cancellation() -> Result<()> {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<i32> {
            scope.cancel();
            Ok(5)
        })
        .await?;
    assert_eq!(ended, Some(5));
    assert!(scope.cancel_called() && !scope.cancelled_caught());
    Ok(())
}

#[anyio::test]
async fn real_errors_pass_a_cancelled_scope() {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            scope.cancel();
            Err(Error::WouldBlock)
        })
        .await;
    assert!(matches!(ended, Err(Error::WouldBlock)));
    assert!(!scope.cancelled_caught());
}

#[anyio::test]
async fn the_outer_of_two_cancelled_scopes_absorbs() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new());
    let ended = outer
        .run(async || -> Result<()> {
            let inside = inner
                .run(async || -> Result<()> {
                    inner.cancel();
                    outer.cancel();
                    forever().await
                })
                .await;
            assert!(matches!(inside, Err(Error::Cancelled(_))));
            inside.map(|_| ())
        })
        .await?;
    assert_eq!(ended, None);
    assert!(outer.cancelled_caught() && !inner.cancelled_caught());
    Ok(())
}

#[anyio::test]
async fn a_shielded_inner_scope_absorbs_its_own_cancellation() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new().shielded());
    let ended = outer
        .run(async || -> Result<i32> {
            let inside = inner
                .run(async || -> Result<()> {
                    outer.cancel();
                    inner.cancel();
                    forever().await
                })
                .await?;
            assert_eq!(inside, None);
            Ok(1)
        })
        .await?;
    assert_eq!(ended, Some(1));
    assert!(inner.cancelled_caught() && !outer.cancelled_caught());
    Ok(())
}

#[anyio::test]
async fn an_outer_cancellation_passes_a_scope_that_was_not_cancelled() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new());
    let ended = outer
        .run(async || -> Result<Option<()>> {
            inner
                .run(async || -> Result<()> {
                    outer.cancel();
                    forever().await
                })
                .await
        })
        .await?;
    assert_eq!(ended, None);
    assert!(!inner.cancel_called());
    Ok(())
}

#[anyio::test]
async fn another_task_cancels_what_waits() -> Result<()> {
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            scope.cancel();
        });
        assert_eq!(scope.run(async || forever().await).await?, None);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn the_first_reason_stays() -> Result<()> {
    let scope = CancelScope::new();
    assert!(scope.reason().is_none());
    scope.cancel_because("first");
    scope.cancel_for(ReasonKind::Shutdown, Some("second".into()));
    let reason = scope.reason().unwrap();
    assert_eq!((reason.kind(), reason.message()), (ReasonKind::Explicit, Some("first")));
    assert!(reason.location().file().ends_with("cancel_scope.rs"));
    assert!(reason.to_string().ends_with(": first"), "{reason}");
    Ok(())
}

#[anyio::test]
async fn a_scope_runs_again_as_if_it_were_new_after_an_outer_cancellation() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new());
    let ended = outer
        .run(async || -> Result<()> {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    lowlevel::cancel_shielded_checkpoint().await;
                    outer.cancel();
                });
                inner.run(async || forever().await).await?;
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await?;
    assert_eq!(ended, None);
    let again = inner
        .run(async || -> Result<i32> {
            assert!(!lowlevel::is_cancelled());
            sleep(Duration::ZERO).await?;
            Ok(1)
        })
        .await?;
    assert_eq!(again, Some(1));
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "a scope runs one body at a time")]
async fn a_scope_does_not_run_two_bodies_at_a_time() {
    let scope = CancelScope::new();
    let _ = scope.run(async || scope.run(async || anyio::Ok(())).await).await;
}

#[anyio::test]
async fn cancelling_after_the_end_touches_nobody() -> Result<()> {
    let scope = CancelScope::new();
    assert_eq!(scope.run(async || anyio::Ok(1)).await?, Some(1));
    scope.cancel();
    scope.set_deadline(Some(Instant::now()));
    scope.set_shield(true);
    sleep(Duration::ZERO).await?;
    Ok(())
}

#[anyio::test]
async fn a_future_that_outlives_its_scope_stays_in_the_scopes_further_out() -> Result<()> {
    let outer = CancelScope::new();
    let ended = outer
        .run(async || -> Result<()> {
            let mut nap = pin!(sleep(LONG));
            let mut body = pin!(move_on_after(LONG, forever()));
            move_on_after(LONG, async {
                assert!(poll_once(nap.as_mut()).await.is_pending());
                assert!(poll_once(body.as_mut()).await.is_pending());
                anyio::Ok(())
            })
            .await?;
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    sleep(Duration::ZERO).await.unwrap();
                    outer.cancel();
                });
                assert!(nap.await.is_err());
                assert!(matches!(body.await, Err(Error::Cancelled(_))));
                Ok(())
            })
            .await?;
            forever().await
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test]
async fn a_future_that_outlives_its_cancelled_scope_goes_on() -> Result<()> {
    let before = Instant::now();
    let mut nap = pin!(sleep(Duration::from_millis(4)));
    let mut body = pin!(move_on_after(LONG, async {
        sleep(Duration::from_millis(4)).await?;
        anyio::Ok(3)
    }));
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            assert!(poll_once(nap.as_mut()).await.is_pending());
            assert!(poll_once(body.as_mut()).await.is_pending());
            scope.cancel();
            forever().await
        })
        .await?;
    assert_eq!(ended, None);
    nap.await?;
    assert_eq!(body.await?, Some(3));
    assert!(before.elapsed() >= Duration::from_millis(4));
    Ok(())
}

/// Waits that are polled for the first time in one scope and then awaited in another.
async fn waits_that_move(
    check: impl AsyncFn(Pin<&mut dyn Future<Output = Result<()>>>) -> Result<()>,
) -> Result<()> {
    let event = Event::new();
    check(pin!(async { Ok(event.wait().await?) })).await?;
    check(pin!(async { Ok(sleep(LONG).await?) })).await?;
    check(pin!(async { Ok(foreign(pending()).await?) })).await?;
    // With scopes of their own, which move with them.
    check(pin!(async {
        move_on_after(LONG, async { Ok::<_, Error>(event.wait().await?) }).await?;
        Ok(())
    }))
    .await?;
    check(pin!(async {
        let scope = CancelScope::new();
        scope.run(forever).await?;
        Ok(())
    }))
    .await?;
    check(pin!(async {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(forever());
            Ok(event.wait().await?)
        })
        .await?;
        Ok(())
    }))
    .await
}

#[anyio::test]
async fn a_wait_follows_its_future_into_another_scope() -> Result<()> {
    waits_that_move(async |mut wait| {
        let first = CancelScope::new();
        let polled = first.run(async || anyio::Ok(poll_once(pin!(wait.as_mut())).await)).await?;
        assert!(polled.is_some_and(|polled| polled.is_pending()));
        assert_eq!(move_on_after(Duration::from_millis(5), wait).await?, None);
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_wait_that_is_taken_into_a_cancelled_scope_is_cancelled() -> Result<()> {
    waits_that_move(async |mut wait| {
        assert!(poll_once(pin!(wait.as_mut())).await.is_pending());
        let scope = CancelScope::new();
        scope.cancel();
        assert!(scope.run(async || wait.await).await?.is_none());
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_future_that_outlives_a_shield_is_cancelled_with_the_rest() -> Result<()> {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            let mut nap = pin!(sleep(LONG));
            shield(async {
                assert!(poll_once(nap.as_mut()).await.is_pending());
                scope.cancel();
            })
            .await;
            assert!(nap.await.is_err());
            forever().await
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

/// Panics when it is polled first, with a scope inside that has begun to wait.
struct PanicsAtFirst<F> {
    inner: Pin<Box<F>>,
    polled: bool,
}

impl<F: Future<Output = Result<Option<()>>>> Future for PanicsAtFirst<F> {
    type Output = Result<Option<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let polled = self.inner.as_mut().poll(cx);
        assert!(std::mem::replace(&mut self.polled, true), "the first poll");
        polled
    }
}

#[anyio::test]
async fn a_scope_whose_body_panicked_can_be_polled_after_its_parent_is_gone() -> Result<()> {
    let inner = Box::pin(move_on_after(Duration::from_millis(3), async {
        lowlevel::checkpoint().await?;
        assert_eq!(current_effective_deadline().map(|deadline| deadline.is_some()), Ok(true));
        forever().await
    }));
    let mut panicking = Box::pin(move_on_after(LONG, PanicsAtFirst { inner, polled: false }));
    Box::pin(move_on_after(LONG, async {
        let caught = poll_fn(|cx| {
            Poll::Ready(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                panicking.as_mut().poll(cx).is_ready()
            })))
        })
        .await;
        assert!(caught.is_err());
        anyio::Ok(())
    }))
    .await?;
    // The scope in which it was polled, and its memory, are gone.
    assert_eq!(panicking.await?, Some(None));
    Ok(())
}

#[anyio::test]
async fn futures_of_others_that_are_always_ready_let_other_tasks_run() -> Result<()> {
    let done = Cell::new(false);
    anyio::task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            done.set(true);
            anyio::Ok(())
        });
        for _ in 0..100_000 {
            foreign(ready(())).await?;
        }
        assert!(done.get());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn futures_of_others_are_checkpoints_by_foreign() -> Result<()> {
    assert_eq!(foreign(ready(5)).await?, 5);
    assert_eq!(
        move_on_after(Duration::from_millis(2), async { Ok::<(), Error>(foreign(pending()).await?) }).await?,
        None
    );
    // What is ready when the cancellation comes counts.
    let (scope, value) = (CancelScope::new(), Cell::new(None));
    let ended = task_group(async |tg| -> Result<Option<i32>> {
        tg.start_soon(async {
            sleep(Duration::ZERO).await.unwrap();
            value.set(Some(7));
            scope.cancel();
        });
        scope
            .run(async || -> Result<i32> {
                Ok(foreign(poll_fn(|_| value.get().map_or(Poll::Pending, Poll::Ready))).await?)
            })
            .await
    })
    .await?;
    assert_eq!(ended, Some(Some(7)));
    Ok(())
}

#[anyio::test]
async fn cleanup_runs_also_when_the_body_was_cancelled() -> Result<()> {
    let log = RefCell::new(Vec::new());
    let ended = move_on_after(
        Duration::from_millis(1),
        using(
            "resource",
            async |_: &mut &str| -> Result<()> {
                log.borrow_mut().push("body");
                forever().await
            },
            async |resource: &str| {
                sleep(Duration::from_millis(1)).await?;
                log.borrow_mut().push(resource);
                Ok(())
            },
        ),
    )
    .await?;
    assert_eq!((ended, &log.borrow()[..]), (None, &["body", "resource"][..]));
    Ok(())
}

#[anyio::test]
async fn a_thousand_checkpoints_in_a_dropped_scope_leave_nothing() -> Result<()> {
    let before = lowlevel::statistics();
    for _ in 0..1000 {
        let mut dropped = Box::pin(move_on_after(LONG, async {
            move_on_after(LONG, forever()).await?;
            anyio::Ok(())
        }));
        assert!(poll_once(dropped.as_mut()).await.is_pending());
    }
    assert_eq!(lowlevel::statistics(), before);
    Ok(())
}

#[anyio::test]
async fn scopes_nest_deep_and_are_cancelled_as_one() -> Result<()> {
    fn nested(depth: usize) -> Pin<Box<dyn Future<Output = Result<()>>>> {
        Box::pin(async move {
            if depth == 0 {
                return forever().await;
            }
            move_on_after(LONG, nested(depth - 1)).await?;
            Ok(())
        })
    }
    let scope = CancelScope::new().with_timeout(Duration::from_millis(1));
    let ended = scope.run(async || nested(1000).await).await?;
    assert_eq!(ended, None);
    Ok(())
}

/// Polling recurses through the frames of the nested futures, so this depth needs a stack of its own; walking the tree
/// of scopes does not.
#[test]
fn ten_thousand_nested_scopes_are_walked_without_recursion() {
    struct Nest {
        scopes: Vec<CancelScope>,
    }
    fn nested(scopes: &[CancelScope]) -> Pin<Box<dyn Future<Output = Result<()>> + '_>> {
        Box::pin(async move {
            match scopes {
                [] => forever().await,
                [scope, rest @ ..] => scope.run(async || nested(rest).await).await.map(|_| ()),
            }
        })
    }
    let program = || {
        for backend in test_backends() {
            let run = anyio::Builder::new().backend(backend).run(async || -> Result<()> {
                let nest = Nest { scopes: (0..10_000).map(|_| CancelScope::new()).collect() };
                let mut body = Box::pin(nested(&nest.scopes));
                assert!(poll_once(body.as_mut()).await.is_pending());
                assert_eq!(current_effective_deadline(), Ok(None));
                nest.scopes[5000].set_shield(true);
                nest.scopes[0].cancel();
                nest.scopes[5000].set_shield(false);
                body.await
            });
            run.unwrap().unwrap();
        }
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(program).unwrap().join().unwrap();
}
