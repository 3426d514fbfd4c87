//! Children that say when they are ready.

use anyio::{
    CancelScope, Error, ErrorGroup, Result, Started, TaskStatus, fail_after, lowlevel, move_on_after, shield,
    sleep, sleep_forever, task_group,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

#[anyio::test]
async fn start_gives_the_value_and_a_handle() -> Result<()> {
    let ended = task_group(async |tg| -> Result<i32> {
        let (value, child) = tg
            .start(async |started: Started<i32>| {
                sleep(SHORT).await?;
                started.set(5);
                sleep(SHORT).await?;
                anyio::Ok(7)
            })
            .await?;
        assert_eq!((value, child.status()), (5, TaskStatus::Pending));
        Ok(child.await?)
    })
    .await?;
    assert_eq!(ended, Some(7));
    Ok(())
}

#[anyio::test]
async fn an_error_before_the_child_is_ready_goes_to_the_caller_alone() -> Result<()> {
    let ended = task_group(async |tg| -> Result<i32> {
        let failed = tg
            .start(async |_started: Started<()>| {
                sleep(Duration::ZERO).await?;
                Err::<(), _>(Error::WouldBlock)
            })
            .await;
        assert!(matches!(failed, Err(Error::WouldBlock)));
        assert!(!lowlevel::is_cancelled());
        Ok(1)
    })
    .await?;
    assert_eq!(ended, Some(1));
    Ok(())
}

#[anyio::test]
async fn an_error_right_after_goes_to_the_group_and_the_value_to_the_caller() {
    let value = Cell::new(0);
    let ended: Result<Option<()>, ErrorGroup<Error>> = task_group(async |tg| {
        let (given, _child) = tg
            .start(async |started: Started<i32>| {
                started.set(3);
                Err::<(), _>(Error::WouldBlock)
            })
            .await?;
        value.set(given);
        forever().await
    })
    .await;
    assert_eq!((value.get(), ended.unwrap_err().len()), (3, 1));
}

#[anyio::test]
#[should_panic(expected = "ended without calling Started::set")]
async fn a_child_that_ends_with_a_value_and_never_was_ready_is_a_mistake() {
    let _ = task_group(async |tg| -> Result<()> {
        tg.start(async |_started: Started<()>| anyio::Ok(())).await?;
        Ok(())
    })
    .await;
}

#[anyio::test]
async fn a_started_that_others_set_after_the_child_failed_does_not_hide_the_error() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let shelf: Rc<RefCell<Option<Started<i32>>>> = Rc::default();
        let (given, taken) = (shelf.clone(), shelf.clone());
        struct Sets(Rc<RefCell<Option<Started<i32>>>>);
        impl Drop for Sets {
            fn drop(&mut self) {
                if let Some(started) = self.0.take() {
                    started.set(1);
                }
            }
        }
        let sets = Sets(taken);
        let failed = tg
            .start(async move |started: Started<i32>| {
                // Dropped after the future itself has ended.
                let _sets = sets;
                *given.borrow_mut() = Some(started);
                Err::<(), _>(Error::WouldBlock)
            })
            .await;
        // Set while the child ends, it counts as set; its error then goes to the group. Never are both lost.
        assert!(matches!(failed, Ok((1, _)) | Err(Error::WouldBlock)));
        drop(shelf);
        Ok(())
    })
    .await
    .map(|_| ())
    .or_else(|group| {
        group.handle(|error| if matches!(error, Error::WouldBlock) { Ok(()) } else { Err(error) })
    })?;
    Ok(())
}

#[anyio::test]
async fn a_started_that_is_set_when_the_child_is_over_is_ignored() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let shelf: Rc<RefCell<Option<Started<i32>>>> = Rc::default();
        let given = shelf.clone();
        let mut starting = pin!(tg.start(async move |started: Started<i32>| {
            *given.borrow_mut() = Some(started);
            Err::<(), _>(Error::WouldBlock)
        }));
        assert!(poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx).is_pending())).await);
        while shelf.borrow().is_none() {
            lowlevel::checkpoint().await?;
        }
        shelf.take().unwrap().set(1);
        assert!(matches!(starting.await, Err(Error::WouldBlock)));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_child_that_is_cancelled_before_it_is_ready_is_awaited() -> Result<()> {
    let cleaned = Cell::new(false);
    let ended = task_group(async |tg| -> Result<Option<()>> {
        let cleaned = &cleaned;
        let started = move_on_after(SHORT, async {
            tg.start(async move |started: Started<()>| {
                let ended = forever().await;
                let _ = shield(sleep(SHORT)).await;
                cleaned.set(true);
                drop(started);
                ended
            })
            .await?;
            anyio::Ok(())
        })
        .await?;
        assert!(cleaned.get());
        assert!(!lowlevel::is_cancelled() && !tg.scope().cancel_called());
        Ok(started)
    })
    .await?;
    assert_eq!(ended, Some(None));
    Ok(())
}

#[anyio::test]
async fn a_timeout_around_start_ends_with_it() -> Result<()> {
    let ended = task_group(async |tg| -> Result<i32> {
        let (_, child) = fail_after(SHORT, async {
            tg.start(async |started: Started<()>| {
                started.set(());
                sleep(SHORT * 3).await?;
                anyio::Ok(6)
            })
            .await
        })
        .await?;
        // The child has moved to the group: the time limit is no more its own.
        Ok(child.await?)
    })
    .await?;
    assert_eq!(ended, Some(6));
    Ok(())
}

#[anyio::test]
async fn before_it_is_ready_a_child_is_not_under_the_groups_shielded_body_but_under_its_caller() -> Result<()>
{
    // The group is cancelled while the caller is shielded: the child is too, until it is ready.
    let seen = RefCell::new(Vec::new());
    let ended = task_group(async |tg| -> Result<()> {
        let seen = &seen;
        tg.cancel();
        shield(async {
            tg.start(async move |started: Started<()>| {
                seen.borrow_mut().push(lowlevel::is_cancelled());
                sleep(SHORT).await?;
                started.set(());
                seen.borrow_mut().push(lowlevel::is_cancelled());
                forever().await
            })
            .await
        })
        .await?;
        Ok(())
    })
    .await?;
    assert_eq!((ended, seen.into_inner()), (Some(()), vec![false, true]));
    Ok(())
}

#[anyio::test]
async fn a_start_that_is_dropped_leaves_the_child_cancelled_to_the_group() -> Result<()> {
    let (ended, child_ended) = (Cell::new(false), Cell::new(false));
    task_group(async |tg| -> Result<()> {
        let child_ended = &child_ended;
        {
            let mut starting = pin!(tg.start(async move |started: Started<()>| {
                let ended = sleep_forever().await;
                child_ended.set(true);
                started.set(());
                Err::<(), Error>(ended.into())
            }));
            assert!(poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx).is_pending())).await);
            sleep(Duration::ZERO).await?;
        }
        ended.set(true);
        Ok(())
    })
    .await?;
    assert!(ended.get() && child_ended.get());
    Ok(())
}

#[anyio::test]
async fn a_start_that_outlives_the_scope_it_was_polled_in_is_still_cancelled_with_its_group() -> Result<()> {
    let ended = task_group(async |tg| -> Result<()> {
        let mut starting = pin!(tg.start(async |started: Started<()>| {
            let ended = forever().await;
            drop(started);
            ended
        }));
        move_on_after(LONG, async {
            assert!(poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx).is_pending())).await);
            anyio::Ok(())
        })
        .await?;
        sleep(Duration::ZERO).await?;
        tg.cancel();
        assert!(matches!(starting.await, Err(Error::Cancelled(_))));
        forever().await
    })
    .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test]
async fn a_failing_sibling_interrupts_a_start() {
    let ended = task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            sleep(SHORT).await?;
            Err::<(), _>(Error::EndOfStream)
        });
        tg.start(async |_started: Started<()>| forever().await).await?;
        Ok(())
    })
    .await;
    assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::EndOfStream)));
}

#[anyio::test]
#[should_panic(expected = "before it was ready")]
async fn a_panic_before_the_child_is_ready_goes_on_in_the_parent() {
    let _ = task_group(async |tg| -> Result<()> {
        tg.start(async |started: Started<()>| -> Result<()> {
            sleep(Duration::ZERO).await?;
            drop(started);
            panic!("before it was ready")
        })
        .await?;
        Ok(())
    })
    .await;
}

#[anyio::test]
async fn a_start_in_a_cancelled_scope_does_not_cancel_the_group() -> Result<()> {
    let scope = CancelScope::new();
    let ended = task_group(async |tg| -> Result<i32> {
        let started = scope
            .run(async || -> Result<()> {
                scope.cancel();
                tg.start(async |started: Started<()>| {
                    lowlevel::checkpoint().await?;
                    started.set(());
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await?;
        assert_eq!(started, None);
        sleep(Duration::ZERO).await?;
        Ok(2)
    })
    .await?;
    assert_eq!(ended, Some(2));
    Ok(())
}

#[anyio::test]
async fn a_child_that_is_started_in_two_steps_has_the_host_of_its_group_as_parent() -> Result<()> {
    use anyio::testing::current_task;
    let host = current_task().id;
    task_group(async |tg| -> Result<()> {
        let (parent, _child) = tg
            .start(async |ready: Started<_>| -> Result<()> {
                ready.set(current_task().parent);
                Ok(())
            })
            .await?;
        assert_eq!(parent, Some(host));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn what_says_when_it_is_ready_can_be_run_where_nobody_waits_for_that() -> Result<()> {
    async fn service(ready: Started<u16>) -> Result<&'static str> {
        ready.set(8080);
        lowlevel::checkpoint().await?;
        Ok("served")
    }
    task_group(async |tg| -> Result<()> {
        let child = tg.start_soon(service(Started::ignored()));
        assert_eq!(service(Started::ignored()).await?, "served");
        assert_eq!(child.await?, "served");
        Ok(())
    })
    .await?;
    Ok(())
}
