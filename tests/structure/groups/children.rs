//! Children borrow, are started by each other, and have ended when their group has.

use super::{SHORT, forever};
use anyio::{CancelScope, Error, Result, lowlevel, sleep, task_group};
use futures::{StreamExt, future::join, stream::FuturesUnordered};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    time::Duration,
};

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

#[anyio::test(ordered = "at a checkpoint those come first who were ready before")]
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

#[anyio::test(ordered = "there those come first who were ready before")]
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
