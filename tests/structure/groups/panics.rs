//! Panics of children, bodies and destructors.

use super::{Dropped, SHORT, forever, panics};
use anyio::{Result, shield, sleep, sleep_forever, task_group};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

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
