//! Functions that run on another core.

use super::with_other;
use crate::peers::poll_once;
use anyio::{Core, Error, ErrorGroup, Result, TaskLocal, run_on_cores, sleep, sleep_forever};
use futures_util::FutureExt;
use std::{cell::Cell, panic::AssertUnwindSafe, rc::Rc, thread, time::Duration};

#[test]
fn a_function_runs_on_the_core_that_it_is_sent_to() {
    with_other(async |core, other| {
        let here = thread::current().id();
        for target in [core, other] {
            let expected = target.clone();
            // It need not be `Send`.
            let there = target
                .run(async move || {
                    let shared = Rc::new(Cell::new(0));
                    sleep(Duration::from_millis(1)).await.unwrap();
                    shared.set(5);
                    assert_eq!(Core::current(), Some(expected));
                    (thread::current().id(), shared.get())
                })
                .await?;
            assert_eq!((there.0 == here, there.1), (target == core, 5));
        }
        assert_ne!(core, other);
        assert_eq!(core.all().collect::<Vec<_>>(), [core.clone(), other.clone()]);
        Ok(())
    });
}

#[test]
fn inherited_values_go_along() {
    static USER: TaskLocal<&str> = TaskLocal::new();
    with_other(async |_, other| {
        let name = USER.scope("Ada", other.run(async || USER.get())).await?;
        assert_eq!(name, Some("Ada"));
        assert!(other.run(async || USER.get().is_none()).await?);
        Ok(())
    });
}

#[test]
fn a_panic_comes_out_where_it_is_waited_for() {
    with_other(async |core, other| {
        for target in [core, other] {
            let ended =
                AssertUnwindSafe(target.run::<()>(async || panic!("over there"))).catch_unwind().await;
            assert_eq!(*ended.unwrap_err().downcast::<&str>().unwrap(), "over there");
            assert_eq!(target.run(async || 1).await?, 1, "the core goes on");
        }
        Ok(())
    });
}

#[test]
fn a_run_of_another_thread_may_ask_a_core() {
    with_other(async |_, other| {
        let core = other.clone();
        let asked = anyio::to_thread::run_sync(move || {
            anyio::run(async || -> Result<usize> {
                let mut forgotten = Box::pin(core.run(async || sleep_forever().await));
                assert!(poll_once(forgotten.as_mut()).await.is_pending());
                std::mem::forget(forgotten);
                core.run(async || Core::current().unwrap().index()).await
            })
        });
        assert_eq!(asked.await??, 1);
        Ok(())
    });
}

#[test]
fn on_threads_that_are_no_cores_there_is_none() {
    assert!(Core::current().is_none());
    anyio::run(async || assert!(Core::current().is_none()));
    let ended: Result<_, ErrorGroup<Error>> =
        run_on_cores(1, async |core: &Core| Ok(Core::current().as_ref() == Some(core)));
    assert_eq!(ended.unwrap(), Some(vec![true]));
    assert!(Core::current().is_none());
}
