//! Panics of children, bodies and destructors.

use super::{Dropped, LONG, SHORT, forever, panics};
use anyio::{
    CancelScope, Result, TaskHandle, lowlevel, move_on_after, shield, sleep, sleep_forever, task_group,
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
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
    let payload = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(cx))) {
        Ok(polled) => polled.map(|_| None),
        Err(payload) => Poll::Ready(Some(payload)),
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
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(group)));
    assert!(dropped.is_err());
    assert_eq!(log.into_inner(), ["second", "first"]);
}

struct PanicsOnceWoken;

impl Wake for PanicsOnceWoken {
    fn wake(self: Arc<Self>) {
        panic!("a waker");
    }
}

#[anyio::test]
async fn a_group_that_goes_lets_all_children_go_although_a_waker_panics() -> Result<()> {
    let before = lowlevel::statistics();
    let log = RefCell::new(Vec::new());
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        let log = &log;
        let awaited: Rc<RefCell<Option<TaskHandle<'_, ()>>>> = Rc::default();
        let of_sleeper = awaited.clone();
        tg.start_soon(async move {
            let _dropped = Dropped(log, "sleeper");
            let waker = Waker::from(Arc::new(PanicsOnceWoken));
            {
                let mut handle = of_sleeper.borrow_mut();
                let handle = Pin::new(handle.as_mut().unwrap());
                assert!(handle.poll(&mut Context::from_waker(&waker)).is_pending());
            }
            anyio::Ok(sleep(SHORT).await?)
        });
        awaited.replace(Some(tg.start_soon(async {
            let _dropped = Dropped(log, "awaited");
            sleep_forever().await;
        })));
        forever().await
    }));
    assert!(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(group))).is_err());
    assert_eq!(log.into_inner(), ["awaited", "sleeper"]);
    sleep(SHORT * 2).await?;
    assert_eq!(lowlevel::statistics().tasks, before.tasks);
    assert_eq!(lowlevel::statistics().waits, before.waits);
    Ok(())
}

/// A panic whose payload panics, too, as it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload");
    }
}

struct Explodes;

impl Drop for Explodes {
    fn drop(&mut self) {
        panic_any(Bomb);
    }
}

#[anyio::test]
async fn a_group_that_goes_lets_all_children_go_although_payloads_panic() -> Result<()> {
    let before = lowlevel::statistics();
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        tg.start_soon(async { anyio::Ok(sleep(SHORT).await?) });
        for _ in 0..3 {
            tg.start_soon(async {
                let _explodes = Explodes;
                forever().await
            });
        }
        forever().await
    }));
    assert!(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await);
    let payload = catch_unwind(AssertUnwindSafe(|| drop(group))).unwrap_err();
    assert!(payload.is::<Bomb>());
    std::mem::forget(payload);
    sleep(SHORT * 2).await?;
    assert_eq!(lowlevel::statistics().tasks, before.tasks);
    assert_eq!(lowlevel::statistics().waits, before.waits);
    Ok(())
}

#[anyio::test]
async fn children_that_panic_with_payloads_that_panic_end_their_group_with_the_first() -> Result<()> {
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async {
                sleep(SHORT).await?;
                panic_any(Bomb);
                #[expect(unreachable_code, reason = "says the type")]
                anyio::Ok(())
            });
        }
        forever().await
    }));
    let payload = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(_)) => panic!("the group has not panicked"),
        Err(payload) => Poll::Ready(payload),
    })
    .await;
    assert!(payload.is::<Bomb>());
    std::mem::forget(payload);
    Ok(())
}

/// A value whose destructor panics.
struct Value;

impl Drop for Value {
    fn drop(&mut self) {
        panic!("a value");
    }
}

#[anyio::test]
async fn a_value_that_panics_when_nobody_takes_it_is_the_panic_of_its_group() {
    let sibling_ended = Cell::new(false);
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let _ = forever().await;
            sibling_ended.set(true);
        });
        drop(tg.start_soon(async { anyio::Ok(Value) }));
        forever().await
    }));
    let payload = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(_)) => panic!("the group has not panicked"),
        Err(payload) => Poll::Ready(payload),
    })
    .await;
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"a value"));
    drop(group);
    assert!(sibling_ended.get());
}

/// An error that panics when it is asked for its source.
#[derive(Debug)]
struct Secretive;

impl fmt::Display for Secretive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for Secretive {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        panic!("a source")
    }
}

#[anyio::test]
async fn an_error_that_panics_when_it_is_asked_ends_its_group_and_its_siblings() {
    for in_body in [false, true] {
        let sibling_ended = Cell::new(false);
        let mut group = Box::pin(task_group(async |tg| -> Result<(), Secretive> {
            tg.start_soon(async {
                let _ = forever().await;
                sibling_ended.set(true);
            });
            if in_body {
                return Err(Secretive);
            }
            tg.start_soon(async { Err::<(), _>(Secretive) });
            let _ = forever().await;
            Ok(())
        }));
        let payload = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => panic!("the group has not panicked"),
            Err(payload) => Poll::Ready(payload),
        })
        .await;
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"a source"));
        drop(group);
        assert!(sibling_ended.get());
    }
}

#[anyio::test]
async fn a_scope_has_been_left_when_its_error_is_asked_and_panics() {
    let sleeping = Rc::new(RefCell::new(Box::pin(sleep(LONG))));
    let in_body = sleeping.clone();
    let scope = CancelScope::new();
    let (canceller, cancelled) = (scope.clone(), scope.clone());
    let mut inner = Box::pin(async move {
        scope
            .run(async move || {
                poll_fn(|cx| Poll::Ready(in_body.borrow_mut().as_mut().poll(cx).is_pending())).await;
                canceller.cancel();
                Err::<(), Secretive>(Secretive)
            })
            .await
    });
    let inner_in_outer = &mut inner;
    let outer: Pin<Box<dyn Future<Output = Result<Option<()>>> + '_>> =
        Box::pin(move_on_after(LONG, async move {
            poll_fn(|cx| {
                let polled = catch_unwind(AssertUnwindSafe(|| inner_in_outer.as_mut().poll(cx).is_pending()));
                assert!(polled.is_err());
                Poll::Ready(())
            })
            .await;
            Ok(())
        }));
    assert!(outer.await.is_ok());
    assert!(cancelled.cancel_called() && !cancelled.cancelled_caught());
    drop(inner);
    drop(sleeping);
    // It can be run again, so it was left.
    assert!(matches!(cancelled.run(async || Err::<(), _>(sleep_forever().await)).await, Ok(None)));
}
