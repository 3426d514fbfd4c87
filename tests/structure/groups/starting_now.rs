//! Children that begin within the poll of who starts them.

use super::{forever, panics};
use crate::records::{Records, Told};
use anyio::{
    Builder, Error, Result, TaskGroup, TaskStatus,
    lowlevel::{self, TaskEnd},
    sync::Event,
    task_group,
    testing::{current_task, test_backends, wait_all_tasks_blocked},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::AssertUnwindSafe,
    task::Waker,
};

#[anyio::test]
async fn one_that_waits_for_nothing_has_ended_before_it_is_awaited() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let host = current_task().id;
        let mut child = tg.start_now(async { anyio::Ok(current_task().id) });
        assert!(child.is_finished());
        assert_ne!(child.try_take(), Ok(host), "it is a task of its own");
        assert_eq!(current_task().id, host);
        let awaited = tg.start_now(async { anyio::Ok("value") });
        assert_eq!(awaited.await?, "value");
        assert_eq!(lowlevel::statistics().tasks, 2, "the program and the body are left");
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn one_that_waits_goes_on_in_its_turn_and_can_be_cancelled() -> Result<()> {
    let steps = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        let steps = &steps;
        let child = tg.start_now(async move {
            steps.borrow_mut().push("begun");
            lowlevel::checkpoint().await?;
            steps.borrow_mut().push("gone on");
            anyio::Ok(1)
        });
        steps.borrow_mut().push("started");
        assert_eq!(child.await?, 1);
        assert_eq!(*steps.borrow(), ["begun", "started", "gone on"]);

        let mut cancelled = tg.start_now(forever());
        cancelled.cancel();
        assert!(cancelled.outcome().await?.is_err());
        assert_eq!(cancelled.status(), TaskStatus::Cancelled);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn its_scope_is_its_own_and_its_error_is_the_groups() -> Result<()> {
    let ended = task_group(async |tg| -> Result<()> {
        let outer = tg.scope();
        let mut child = tg.start_now(async {
            assert!(!lowlevel::is_cancelled());
            Err::<(), _>(Error::EndOfStream)
        });
        assert!(child.try_take().is_err());
        assert!(outer.cancel_called(), "as when any child fails");
        // In a cancelled group a child runs up to its first checkpoint, and no further.
        let mut late = tg.start_now(forever());
        assert!(late.is_finished() && late.try_take().is_err());
        Err(lowlevel::checkpoint().await.unwrap_err().into())
    })
    .await;
    assert!(matches!(ended.unwrap_err().into_first(), Error::EndOfStream));
    Ok(())
}

#[anyio::test]
async fn its_panic_goes_on_where_the_group_ends() -> Result<()> {
    let grouped = AssertUnwindSafe(task_group(async |tg| -> Result<()> {
        tg.start_now(panics("at once"));
        // The body has not seen anything of it, and is cancelled.
        assert!(tg.scope().cancel_called());
        forever().await
    }));
    let caught = futures::FutureExt::catch_unwind(grouped).await;
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "at once");
    Ok(())
}

#[anyio::test]
async fn those_that_start_each_other_do_not_fill_the_stack() -> Result<()> {
    fn descend<'scope>(
        tg: &'scope TaskGroup<'scope, '_, Error>,
        left: u32,
        count: &'scope Cell<u32>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + 'scope>> {
        Box::pin(async move {
            count.set(count.get() + 1);
            if left > 0 {
                tg.start_now(descend(tg, left - 1, count));
            }
            Ok(())
        })
    }
    let count = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        tg.start_now(descend(tg, 100_000, &count));
        Ok(())
    })
    .await?;
    assert_eq!(count.get(), 100_001);
    Ok(())
}

#[anyio::test]
async fn who_starts_many_leaves_others_their_turn() -> Result<()> {
    let turns = Cell::new(0);
    let started = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let turns = &turns;
        tg.start_soon(async move {
            while turns.get() < 10 {
                lowlevel::checkpoint().await?;
                turns.set(turns.get() + 1);
            }
            Ok(())
        });
        while turns.get() < 10 {
            tg.start_now(async { Ok(()) }).await?;
            started.set(started.get() + 1);
            assert!(started.get() < 10_000);
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn instruments_are_told_of_its_poll_within_that_of_who_starts_it() -> Result<()> {
    for backend in test_backends() {
        let records = Records::default();
        let made = records.clone();
        let run = Builder::new().backend(backend).instrument(move || made.clone());
        let (host, child) = run.run(async || -> Result<_> {
            let ids = task_group(async |tg| -> Result<_> {
                let host = current_task().id;
                Ok((host, tg.start_now(async { anyio::Ok(current_task().id) }).await?))
            })
            .await?;
            Ok(ids.expect("not cancelled"))
        })??;
        let told = records.take();
        let is_its_start = |told: &Told| matches!(told, Told::Started(task) if task.id == child);
        let begun = told.iter().position(is_its_start).unwrap() + 1;
        let expected = [
            Told::Paused(host),
            Told::Before(child),
            Told::Ended(child, TaskEnd::Finished),
            Told::After(child),
            Told::Resumed(host),
        ];
        assert_eq!(told[begun..begun + expected.len()], expected);
    }
    Ok(())
}

#[anyio::test]
async fn one_that_is_called_gives_its_value_and_leaves_nothing() -> Result<()> {
    let dropped = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let host = current_task().id;
        for number in 0..20 {
            let noted = NotesDrop(&dropped);
            let mut ran = tg.call_now(move || async move {
                let _noted = noted;
                assert_ne!(current_task().id, host, "it is a task of its own");
                assert_eq!(lowlevel::statistics().tasks, 3);
                anyio::Ok(number)
            });
            assert_eq!(ran.try_take(), Ok(number));
            assert_eq!(dropped.get(), number + 1, "its future is gone");
        }
        assert_eq!(current_task().id, host);
        assert_eq!(lowlevel::statistics().tasks, 2, "the program and the body are left");
        Ok(())
    })
    .await?;
    Ok(())
}

struct NotesDrop<'a>(&'a Cell<i32>);

impl Drop for NotesDrop<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[anyio::test]
async fn one_that_is_called_and_waits_is_a_child_like_any_other() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let goes_on = tg.call_now(async || {
            lowlevel::checkpoint().await?;
            anyio::Ok(1)
        });
        let mut cancelled = tg.call_now(forever);
        assert!(!cancelled.is_finished());
        assert_eq!(goes_on.await?, 1);
        cancelled.cancel();
        assert!(cancelled.outcome().await?.is_err());
        assert_eq!(cancelled.status(), TaskStatus::Cancelled);
        // The group awaits and cancels one whose handle is gone.
        drop(tg.call_now(forever));
        tg.cancel();
        // In a cancelled group one runs up to its first checkpoint, and no further.
        let late = tg.call_now(forever);
        assert_eq!(late.status(), TaskStatus::Cancelled);
        assert_eq!(tg.call_now(async || anyio::Ok(2)).try_take(), Ok(2));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn the_error_of_one_that_is_called_is_the_groups() -> Result<()> {
    let ended = task_group(async |tg| -> Result<()> {
        let ran = tg.call_now(async || Err::<(), _>(Error::EndOfStream));
        assert_eq!(ran.status(), TaskStatus::Failed);
        assert!(tg.scope().cancel_called(), "as when any child fails");
        Ok(())
    })
    .await;
    assert!(matches!(ended.unwrap_err().into_first(), Error::EndOfStream));
    Ok(())
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("when it is dropped");
        }
    }
}

/// Runs a group whose body starts something, and gives the panic that comes of it.
async fn panic_of(start: impl for<'scope> FnOnce(&'scope TaskGroup<'scope, '_, Error>)) -> &'static str {
    let grouped = AssertUnwindSafe(task_group(async |tg| -> Result<()> {
        start(tg);
        assert!(tg.scope().cancel_called());
        Ok(())
    }));
    let caught = futures::FutureExt::catch_unwind(grouped).await;
    assert_eq!(lowlevel::statistics().tasks, 1);
    *caught.unwrap_err().downcast().unwrap()
}

/// A future that has given its value and panics as it is dropped.
struct Ready(PanicsInDrop);

impl Future for Ready {
    type Output = Result<Panics>;
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<Panics>> {
        let _ = &self.0;
        std::task::Poll::Ready(Ok(Panics))
    }
}

/// What panics, too, as it is dropped.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("a value as it is dropped");
    }
}

#[anyio::test]
async fn the_panic_of_one_that_is_called_goes_on_where_the_group_ends() -> Result<()> {
    let as_it_is_polled = panic_of(|tg| {
        assert_eq!(tg.call_now(|| panics("at once")).status(), TaskStatus::Failed);
    });
    assert_eq!(as_it_is_polled.await, "at once");
    let as_it_is_called = panic_of(|tg| {
        let called = tg.call_now(|| {
            if lowlevel::statistics().tasks == 3 {
                panic!("as it is called");
            }
            async { anyio::Ok(()) }
        });
        assert_eq!(called.status(), TaskStatus::Failed);
    });
    assert_eq!(as_it_is_called.await, "as it is called");
    let at_its_end = panic_of(|tg| {
        let called = tg.call_now(async || {
            let _bomb = PanicsInDrop;
            anyio::Ok(())
        });
        assert_eq!(called.status(), TaskStatus::Failed);
    });
    assert_eq!(at_its_end.await, "when it is dropped");
    let with_its_value = panic_of(|tg| {
        let called = tg.call_now(|| Ready(PanicsInDrop));
        assert_eq!(called.status(), TaskStatus::Failed);
        // The value is left, and dropped with the last share.
        assert!(std::panic::catch_unwind(AssertUnwindSafe(|| drop(called))).is_err());
    });
    assert_eq!(with_its_value.await, "when it is dropped");
    Ok(())
}

#[anyio::test]
async fn a_value_that_nobody_takes_is_dropped_with_the_handle() -> Result<()> {
    let dropped = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let mut handle = tg.call_now(async || anyio::Ok(NotesDrop(&dropped)));
        assert!(handle.is_finished());
        assert_eq!(dropped.get(), 0);
        drop(tg.start_now(async { anyio::Ok(NotesDrop(&dropped)) }));
        assert_eq!(dropped.get(), 1);
        let value = handle.try_take().ok();
        drop(handle);
        assert_eq!(dropped.get(), 1);
        drop(value);
        assert_eq!(dropped.get(), 2);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_function_is_called_within_its_child_or_dropped() -> Result<()> {
    let dropped = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let body = current_task().id;
        let mut turns = 0;
        // At last there is no budget left, and it is called in its turn.
        loop {
            let noted = NotesDrop(&dropped);
            let called = tg.call_now(move || {
                let _noted = noted;
                assert_ne!(current_task().id, body);
                lowlevel::is_cancelled();
                async { anyio::Ok(current_task().id) }
            });
            turns += 1;
            if !called.is_finished() {
                assert_eq!(dropped.get(), turns - 1);
                assert_ne!(called.await?, body);
                break;
            }
            assert!(turns < 10_000);
        }
        assert_eq!(dropped.get(), turns);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn what_one_that_is_called_leaves_behind_is_taken_over_by_the_group() -> Result<()> {
    let (event, left) = (anyio::sync::Event::new(), RefCell::new(None));
    task_group(async |tg| -> Result<()> {
        let event = &event;
        // A wait that began within the child's scope, and goes on without it.
        let ran = tg.call_now(async || {
            let mut waiting = Box::pin(event.wait());
            assert!(futures::poll!(waiting.as_mut()).is_pending());
            left.replace(Some(waiting));
            anyio::Ok(())
        });
        assert_eq!(ran.status(), TaskStatus::Finished);
        let waiting = left.take().unwrap();
        event.set();
        waiting.await?;
        Ok(())
    })
    .await?;
    Ok(())
}

/// How often a task is polled until all wait, in whose first poll a part of it begins that is given its waker.
async fn polls_with<F: Future<Output = Result<()>>>(part: impl Fn(Waker) -> F) -> Result<usize> {
    let (polls, all_wait) = (Cell::new(0), Event::new());
    let (polls, all_wait, part) = (&polls, &all_wait, &part);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            wait_all_tasks_blocked().await?;
            all_wait.set();
            Ok(())
        });
        let mut waiting = Box::pin(all_wait.wait());
        poll_fn(|cx| {
            if all_wait.is_set() {
                return waiting.as_mut().poll(cx);
            }
            polls.set(polls.get() + 1);
            if polls.get() == 1 {
                drop(tg.start_as_part(part(cx.waker().clone())));
            }
            waiting.as_mut().poll(cx)
        })
        .await?;
        Ok(())
    })
    .await?;
    Ok(polls.get())
}

#[anyio::test]
async fn the_wakers_of_a_task_wake_nothing_while_a_part_of_it_is_polled() -> Result<()> {
    let polls = polls_with(async |task| {
        task.wake_by_ref();
        task.wake();
        Ok(())
    });
    assert_eq!(polls.await?, 1);
    // A part that goes on is a child as any other.
    let polls = polls_with(async |task| {
        task.wake_by_ref();
        lowlevel::checkpoint().await?;
        task.wake();
        Ok(())
    });
    assert_eq!(polls.await?, 2);
    Ok(())
}

#[anyio::test]
async fn what_the_run_wakes_a_task_for_while_a_part_of_it_is_polled_is_heard() -> Result<()> {
    let event = Event::new();
    task_group(async |tg| -> Result<()> {
        let mut waiting = Box::pin(event.wait());
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        assert!(tg.start_as_part(async { event.set() }).is_finished());
        waiting.await?;
        let mut cancelled = Box::pin(forever());
        assert!(futures::poll!(cancelled.as_mut()).is_pending());
        let scope = tg.scope();
        assert!(tg.start_as_part(async move { scope.cancel() }).is_finished());
        assert!(cancelled.await.is_err());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_part_takes_nothing_of_what_a_turn_can_afford() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        for number in 0..1000 {
            assert_eq!(tg.start_as_part(async move { anyio::Ok(number) }).try_take(), Ok(number));
        }
        Ok(())
    })
    .await?;
    Ok(())
}
