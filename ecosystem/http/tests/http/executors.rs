//! Where hyper's tasks run.

use anyio::{Result, sleep_forever, sync::Event, task_group};
use anyio_http::{GroupExecutor, LocalExecutor};
use hyper::rt::Executor;
use std::{cell::Cell, rc::Rc};

#[anyio::test]
async fn tasks_are_children_of_the_group_and_may_borrow() -> Result<()> {
    let (done, cancelled) = (Cell::new(false), Cell::new(false));
    task_group(async |tg| -> Result<()> {
        let executor = GroupExecutor(tg);
        executor.execute(async { done.set(true) });
        executor.execute(async {
            sleep_forever().await;
            cancelled.set(true);
        });
        anyio::testing::wait_all_tasks_blocked().await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert!(done.get() && cancelled.get());
    Ok(())
}

#[anyio::test]
async fn a_group_waits_for_tasks_of_a_local_executor_that_is_kept_elsewhere() -> Result<()> {
    let (done, release) = (Rc::new(Cell::new(0)), Rc::new(Event::new()));
    let kept = Rc::new(Cell::new(None));
    task_group(async |tg| -> Result<()> {
        let executor = LocalExecutor::in_group(tg);
        for _ in 0..3 {
            let (done, release) = (done.clone(), release.clone());
            executor.clone().execute(async move {
                if release.wait().await.is_ok() {
                    done.set(done.get() + 1);
                }
            });
        }
        anyio::testing::wait_all_tasks_blocked().await?;
        release.set();
        kept.set(Some(executor));
        // The executor is kept, so the group would go on.
        while done.get() < 3 {
            anyio::lowlevel::checkpoint().await?;
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(done.get(), 3);
    // Nothing runs after the group.
    let executor: LocalExecutor = kept.take().unwrap();
    executor.execute(async { unreachable!("the group is over") });
    Ok(())
}
