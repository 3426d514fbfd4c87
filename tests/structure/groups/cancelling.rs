//! Who is cancelled when a child or the body fails, or a scope is cancelled, and which errors come out.

use super::{LONG, SHORT, forever};
use anyio::{
    CancelScope, Error, ErrorGroup, ReasonKind, Result, TaskGroup, fail_after, lowlevel, move_on_after,
    shield, sleep, sleep_forever, task_group,
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    time::Duration,
};

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
    assert!(matches!(ended, Err(Error::TimedOut(_))));
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
async fn a_limit_that_cuts_children_short_is_told_though_the_body_was_through() -> Result<()> {
    async fn sleeper<'scope>(tg: &'scope TaskGroup<'scope, '_, Error>) -> Result<u8> {
        tg.start_soon(forever());
        Ok(5)
    }
    let cut_short = fail_after(SHORT, async { Ok(task_group(sleeper).await?) }).await;
    assert!(matches!(cut_short, Err(Error::TimedOut(_))), "{cut_short:?}");
    // So it is through groups between, and in the group itself.
    let moved_on = move_on_after(SHORT, async {
        let inner = task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                task_group(sleeper).await?;
                Ok(())
            });
            Ok(())
        })
        .await;
        assert!(inner.as_ref().is_err_and(|errors| errors.is_cancelled()), "{inner:?}");
        anyio::Ok(inner?)
    });
    assert_eq!(moved_on.await?, None);
    // What the group cancels by itself is its own affair, and so is a child that comes to an end all the same.
    let own = task_group(async |tg| -> Result<u8> {
        tg.cancel();
        sleeper(tg).await
    });
    assert_eq!(own.await?, Some(5));
    let ended = move_on_after(SHORT, async {
        let ended = task_group(async |tg| -> Result<u8> {
            tg.start_soon(async { drop(forever().await) });
            Ok(5)
        });
        anyio::Ok(ended.await?)
    });
    assert_eq!(ended.await?, Some(Some(5)));
    // Real errors go before.
    let failed = fail_after(SHORT, async {
        let failed = task_group(async |tg| -> Result<()> {
            tg.start_soon(forever());
            tg.start_soon(async { forever().await.or(Err(Error::WouldBlock)) });
            Ok(())
        });
        anyio::Ok(failed.await?)
    });
    assert_eq!(failed.await.unwrap_err().to_string(), Error::WouldBlock.to_string());
    Ok(())
}
