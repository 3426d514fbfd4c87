//! What a handle tells of its child, and does to it.

use anyio::{
    CancelScope, Error, ErrorGroup, NoValue, Result, TaskHandle, TaskStatus, lowlevel, move_on_after, shield,
    sleep, sleep_forever, task_group,
};
use std::{
    cell::{Cell, RefCell},
    future::Future as _,
    pin::Pin,
    rc::Rc,
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(2);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

#[anyio::test]
async fn awaiting_a_handle_gives_the_value() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let mut child = tg.start_soon(async {
            sleep(SHORT).await?;
            anyio::Ok(5)
        });
        assert_eq!(
            (child.status(), child.is_finished(), child.try_take()),
            (TaskStatus::Pending, false, Err(NoValue::Pending))
        );
        child.wait().await?;
        child.wait().await?;
        assert_eq!(child.status(), TaskStatus::Finished);
        assert_eq!(child.await?, 5);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_value_is_taken_once() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let mut child = tg.start_soon(async { anyio::Ok("value".to_string()) });
        child.wait().await?;
        assert_eq!(child.try_take().as_deref(), Ok("value"));
        assert_eq!(child.try_take(), Err(NoValue::Taken));
        assert!(child.await.is_err());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_value_nobody_takes_is_dropped_once() -> Result<()> {
    let value = Rc::new(());
    task_group(async |tg| -> Result<()> {
        for keep in [true, false] {
            let value = value.clone();
            let child = tg.start_soon(async move { anyio::Ok(value) });
            if keep {
                child.wait().await?;
            }
        }
        Ok(())
    })
    .await?;
    assert_eq!(Rc::strong_count(&value), 1);
    Ok(())
}

#[anyio::test]
async fn cancelling_one_child_leaves_body_and_siblings_alone() -> Result<()> {
    let ended = task_group(async |tg| -> Result<i32> {
        let child = tg.start_soon(forever());
        let sibling = tg.start_soon(async {
            sleep(SHORT).await?;
            anyio::Ok(1)
        });
        sleep(Duration::ZERO).await?;
        child.cancel();
        assert_eq!(child.status(), TaskStatus::Cancelling);
        child.wait().await?;
        assert_eq!(child.status(), TaskStatus::Cancelled);
        assert!(child.await.is_err());
        assert!(!lowlevel::is_cancelled());
        Ok(sibling.await?)
    })
    .await?;
    assert_eq!(ended, Some(1));
    Ok(())
}

#[anyio::test]
async fn a_child_that_is_cancelled_before_it_began_runs_up_to_its_first_checkpoint() -> Result<()> {
    let begun = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let child = tg.start_soon(async {
            begun.set(1);
            sleep(SHORT).await?;
            begun.set(2);
            Ok(())
        });
        child.cancel();
        assert_eq!(child.status(), TaskStatus::Cancelling);
        child.wait().await?;
        assert_eq!(child.status(), TaskStatus::Cancelled);
        Ok(())
    })
    .await?;
    assert_eq!(begun.get(), 1);
    Ok(())
}

#[anyio::test]
async fn a_value_given_in_spite_of_a_cancellation_counts() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let child = tg.start_soon(async {
            let _ = sleep_forever().await;
            anyio::Ok(4)
        });
        child.cancel();
        assert_eq!(child.await?, 4);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn an_error_goes_to_the_group_and_the_handle_says_failed() {
    let status = Cell::new(None);
    let ended: Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
        let child = tg.start_soon(async {
            sleep(Duration::ZERO).await?;
            Err::<i32, _>(Error::WouldBlock)
        });
        anyio::shield(async {
            let _ = child.wait().await;
        })
        .await;
        status.set(Some(child.status()));
        assert!(child.await.is_err());
        Ok(())
    })
    .await;
    assert_eq!(status.get(), Some(TaskStatus::Failed));
    assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
}

#[anyio::test]
async fn an_error_of_a_cancelled_child_is_real() {
    let ended: Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
        let child = tg.start_soon(async {
            let _ = sleep_forever().await;
            Err::<(), _>(Error::WouldBlock)
        });
        child.cancel();
        let scope = child.scope();
        anyio::shield(async {
            let _ = child.wait().await;
        })
        .await;
        assert!(!scope.cancelled_caught());
        Ok(())
    })
    .await;
    assert_eq!(ended.unwrap_err().len(), 1);
}

#[anyio::test]
async fn a_wait_that_is_cancelled_loses_nothing() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let gate = Rc::new(Cell::new(false));
        let seen = gate.clone();
        let mut child = tg.start_soon(async move {
            while !seen.get() {
                sleep(Duration::from_micros(100)).await?;
            }
            anyio::Ok(8)
        });
        let waited = move_on_after(SHORT, async { Ok::<_, Error>((&mut child).await?) }).await?;
        assert_eq!(waited, None);
        gate.set(true);
        assert_eq!(child.await?, 8);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_handle_can_be_awaited_by_a_sibling() -> Result<()> {
    let ended = task_group(async |tg| -> Result<i32> {
        let child = tg.start_soon(async {
            sleep(SHORT).await?;
            anyio::Ok(20)
        });
        let doubled = tg.start_soon(async move { anyio::Ok(child.await? * 2) });
        Ok(doubled.await?)
    })
    .await?;
    assert_eq!(ended, Some(40));
    Ok(())
}

#[anyio::test]
async fn handles_may_live_in_each_others_children_when_the_group_is_dropped() {
    let mut group = Box::pin(task_group(async |tg| -> Result<()> {
        let shelf: Rc<RefCell<Vec<TaskHandle<'_, ()>>>> = Rc::default();
        for _ in 0..3 {
            let own = shelf.clone();
            let child = tg.start_soon(async move {
                sleep_forever().await;
                own.borrow_mut().clear();
                Ok(())
            });
            shelf.borrow_mut().push(child);
        }
        forever().await
    }));
    std::future::poll_fn(|cx| {
        assert!(group.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(group);
}

#[anyio::test]
async fn a_child_may_drop_and_cancel_its_own_handle() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let slot: Rc<RefCell<Option<TaskHandle<'_, ()>>>> = Rc::default();
        let own = slot.clone();
        let child = tg.start_soon(async move {
            sleep(Duration::ZERO).await?;
            let me = own.take().unwrap();
            me.cancel();
            drop(me);
            forever().await
        });
        *slot.borrow_mut() = Some(child);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_child_is_named_by_its_place_unless_it_has_a_name() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let child = tg.start_soon(async {});
        assert!(child.name().contains("task_handle.rs"), "{}", child.name());
        let child = child.named("worker");
        assert_eq!(child.name(), "worker");
        assert!(format!("{child:?}").contains("worker"));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_childs_scope_may_have_a_deadline_of_its_own() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let child = tg.start_soon(forever());
        child.scope().set_deadline(Some(anyio::current_time() + SHORT));
        child.wait().await?;
        assert_eq!(child.status(), TaskStatus::Cancelled);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_child_that_was_cancelled_is_told_from_one_that_has_failed() {
    let seen = Cell::new(None);
    let failed = task_group(async |tg| -> Result<()> {
        let mut cancelled = tg.start_soon(forever());
        cancelled.cancel();
        let mut failed = tg.start_soon(async { Err::<(), _>(Error::WouldBlock) });
        anyio::shield(cancelled.wait()).await?;
        anyio::shield(failed.wait()).await?;
        seen.set(Some((cancelled.try_take(), failed.try_take())));
        Ok(())
    })
    .await;
    assert_eq!(failed.unwrap_err().len(), 1);
    assert_eq!(seen.take(), Some((Err(NoValue::Cancelled), Err(NoValue::Failed))));
    assert_eq!(NoValue::Failed.to_string(), "the task has failed");
}

#[anyio::test]
async fn awaiting_in_a_cancelled_scope_gives_the_cancellation_and_keeps_the_value() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let mut child = tg.start_soon(async { anyio::Ok(1) });
        child.wait().await?;
        let scope = CancelScope::new();
        scope.cancel();
        assert_eq!(scope.run(async || Ok::<_, Error>((&mut child).await?)).await?, None);
        assert_eq!(child.try_take(), Ok(1));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn the_outcome_tells_what_became_of_a_child() -> Result<()> {
    let failed = task_group(async |tg| -> Result<()> {
        let mut good = tg.start_soon(async { anyio::Ok(5) });
        assert_eq!(good.outcome().await?, Ok(5));
        assert_eq!(good.outcome().await?, Err(NoValue::Taken));
        let mut cancelled = tg.start_soon(async { Err::<(), Error>(sleep_forever().await.into()) });
        cancelled.cancel();
        assert_eq!(cancelled.outcome().await?, Err(NoValue::Cancelled));
        let mut never = tg.start_soon(async { Err::<(), Error>(sleep_forever().await.into()) });
        let waited =
            move_on_after(Duration::from_millis(1), async { anyio::Ok(never.outcome().await?) }).await?;
        assert_eq!(waited, None, "the waiting itself was cancelled");
        never.cancel();
        let mut failing = tg.start_soon(async { Err::<(), _>(Error::WouldBlock) });
        shield(async {
            assert_eq!(failing.outcome().await?, Err(NoValue::Failed));
            anyio::Ok(())
        })
        .await?;
        Ok(())
    })
    .await;
    assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::WouldBlock)));
    Ok(())
}

#[anyio::test(ordered = "it is about the order")]
async fn what_a_body_waits_for_goes_before_the_body_and_after_what_was_ready_before_it() -> Result<()> {
    let order = RefCell::new(Vec::new());
    let note = |what| order.borrow_mut().push(what);
    task_group(async |tg| -> Result<()> {
        let first = tg.start_soon(async { note("first") });
        let second = tg.start_soon(async { note("second") });
        let third = tg.start_soon(async { note("third") });
        second.await?;
        note("body");
        first.await?;
        third.await?;
        Ok(())
    })
    .await?;
    assert_eq!(*order.borrow(), ["first", "second", "third", "body"]);
    order.borrow_mut().clear();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { note("child") }).await?;
        note("body");
        Ok(())
    })
    .await?;
    assert_eq!(*order.borrow(), ["child", "body"]);
    Ok(())
}

#[anyio::test]
async fn a_body_that_starts_and_awaits_without_end_leaves_others_their_turn() -> Result<()> {
    let slept = Cell::new(false);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            sleep(SHORT).await?;
            slept.set(true);
            anyio::Ok(())
        });
        task_group(async |tg| -> Result<()> {
            while !slept.get() {
                tg.start_soon(async {}).await?;
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "as soon as it is polled")]
async fn a_child_that_panics_as_the_body_begins_to_wait_for_it_panics_in_its_group() {
    let _ = task_group(async |tg| -> Result<()> {
        let mut child = tg.start_soon(async {
            if true {
                panic!("as soon as it is polled");
            }
        });
        let outcome: std::result::Result<(), NoValue> =
            child.outcome().await.expect("the child has ended before");
        assert_eq!(outcome, Err(NoValue::Failed));
        forever().await
    })
    .await;
}

#[anyio::test]
async fn a_child_that_waits_for_itself_or_for_who_waits_for_it_is_polled_once_at_a_time() -> Result<()> {
    let depth = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let slot: Rc<RefCell<Option<TaskHandle<'_, ()>>>> = Rc::default();
        let own = slot.clone();
        let depth = &depth;
        let child = tg.start_soon(async move {
            let mut me = None;
            let _ended = move_on_after(
                SHORT,
                std::future::poll_fn(|cx| {
                    depth.set(depth.get() + 1);
                    assert_eq!(depth.get(), 1);
                    // Ready again while it is being polled.
                    cx.waker().wake_by_ref();
                    me = me.take().or_else(|| own.take());
                    let polled = me.as_mut().map(|me: &mut TaskHandle<'_, ()>| Pin::new(me).poll(cx));
                    depth.set(depth.get() - 1);
                    match polled {
                        Some(std::task::Poll::Ready(ended)) => std::task::Poll::Ready(ended),
                        _ => std::task::Poll::Pending,
                    }
                }),
            )
            .await;
        });
        *slot.borrow_mut() = Some(child);
        tg.start_soon(async {}).await?;
        Ok(())
    })
    .await?;
    Ok(())
}
