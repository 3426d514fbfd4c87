//! Groups that are dropped before they have ended.

use super::{Dropped, SHORT, forever, panics};
use anyio::{Result, lowlevel, sleep, task_group};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    task::Poll,
};

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
    // Waits may be late at any time, where the machine has other things to do.
    let after = lowlevel::statistics();
    assert_eq!(after, lowlevel::RunStatistics { late_waits: after.late_waits, ..before });
    Ok(())
}
