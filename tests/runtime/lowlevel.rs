//! Checkpoints by hand, variables of a run, and jobs from other threads.

use anyio::{
    Builder, CancelScope, Result,
    lowlevel::{self, RunVar},
    sleep, sleep_forever, task_group,
    testing::{test_backends, wait_all_tasks_blocked},
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[anyio::test(ordered = "those come first who were ready before")]
async fn a_checkpoint_lets_others_run_and_fails_in_a_cancelled_scope() -> Result<()> {
    let turns = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { turns.set(1) });
        lowlevel::checkpoint().await?;
        assert_eq!(turns.get(), 1);
        tg.cancel();
        assert!(lowlevel::checkpoint().await.is_err());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn looking_for_a_cancellation_does_not_let_others_run() -> Result<()> {
    let turns = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { turns.set(1) });
        lowlevel::checkpoint_if_cancelled().await?;
        assert_eq!(turns.get(), 0);
        tg.cancel();
        assert!(lowlevel::checkpoint_if_cancelled().await.is_err());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(ordered = "those come first who were ready before")]
async fn a_shielded_checkpoint_lets_others_run_and_never_fails() -> Result<()> {
    let turns = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { turns.set(1) });
        tg.cancel();
        lowlevel::cancel_shielded_checkpoint().await;
        assert_eq!(turns.get(), 1);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_variable_is_shared_by_the_tasks_of_a_run() -> Result<()> {
    let variable = RunVar::new();
    task_group(async |tg| -> Result<()> {
        let _ = variable.set(1);
        let child = tg.start_soon(async { anyio::Ok(variable.get().as_deref().copied()) });
        assert_eq!(child.await?, Some(1));
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn a_variable_is_gone_in_the_next_run_and_its_default_made_anew() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let (plain, with_default) =
        (RunVar::<i32>::new(), RunVar::new().with_default(|| MADE.fetch_add(1, Ordering::SeqCst)));
    for run in 0..2 {
        anyio::run(async || {
            assert_eq!(plain.get(), None);
            let _ = plain.set(1);
            assert_eq!(with_default.get().as_deref(), Some(&run));
            assert_eq!(with_default.get().as_deref(), Some(&run));
        });
    }
}

#[anyio::test]
async fn the_value_of_a_variable_goes_with_the_variable() {
    let value = Arc::new(());
    let variable = RunVar::new().with_default(|| Arc::new(()));
    let _ = variable.set(Arc::clone(&value));
    assert_eq!(Arc::strong_count(&value), 2);
    drop(variable);
    assert_eq!(Arc::strong_count(&value), 1);
    // Also one whose value uses another variable as it goes.
    struct Reentering(RunVar<u32>);
    impl Drop for Reentering {
        fn drop(&mut self) {
            let _ = self.0.set(1);
        }
    }
    let variable = RunVar::new();
    let _ = variable.set(Reentering(RunVar::new()));
    drop(variable);
}

#[anyio::test]
async fn variables_are_told_apart_and_set_back_in_order() {
    let (one, other) = (RunVar::new(), RunVar::<i32>::new());
    let outer = one.set(1);
    let inner = one.set(2);
    assert_eq!(other.get(), None);
    one.reset(inner);
    assert_eq!(one.get().as_deref(), Some(&1));
    one.reset(outer);
    assert_eq!(one.get(), None);
    let wrong = other.set(1);
    assert!(catch_unwind(AssertUnwindSafe(|| one.reset(wrong))).is_err());
}

#[anyio::test]
async fn a_job_from_another_thread_wakes_a_run_that_sleeps() -> Result<()> {
    let token = lowlevel::current_token().unwrap();
    let scope = CancelScope::new();
    let done = Arc::new(AtomicUsize::new(0));
    let ended = scope
        .run(async || -> Result<()> {
            let (remote, done) = (scope.remote(), done.clone());
            let thread = std::thread::spawn(move || {
                assert!(token.run_soon(move || {
                    done.fetch_add(1, Ordering::SeqCst);
                }));
                assert!(remote.cancel_because("from a thread"));
            });
            let cancelled = sleep_forever().await;
            thread.join().unwrap();
            Err(cancelled.into())
        })
        .await?;
    assert_eq!((ended, done.load(Ordering::SeqCst)), (None, 1));
    assert_eq!(scope.reason().unwrap().message(), Some("from a thread"));
    Ok(())
}

#[test]
fn a_job_for_a_run_that_is_over_is_dropped_uncalled() {
    let job = Arc::new(());
    let token = anyio::run(async || lowlevel::current_token().unwrap());
    let kept = job.clone();
    assert!(
        !token.run_soon(move || drop(kept)) || anyio::run(async || lowlevel::current_token()) != Some(token)
    );
    // If another run has its executor now, that one drops the job, at its end at the latest.
    while Arc::strong_count(&job) > 1 {
        std::thread::yield_now();
    }
    assert_eq!(lowlevel::current_token(), None);
}

#[test]
fn a_job_that_panics_ends_the_run_after_its_teardown_and_spares_other_jobs() {
    for backend in test_backends() {
        let other = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(());
        let (counted, kept) = (other.clone(), dropped.clone());
        let ended = catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run(async || {
                let _kept = kept;
                let token = lowlevel::current_token().unwrap();
                token.run_soon(|| panic!("in a job"));
                token.run_soon(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                });
                sleep_forever().await;
            })
        }));
        assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&"in a job"));
        assert_eq!(other.load(Ordering::SeqCst), 1);
        assert_eq!(Arc::strong_count(&dropped), 1);
        assert_eq!(anyio::current_backend(), None);
    }
}

#[anyio::test]
async fn a_remote_of_a_scope_that_is_over_cancels_nothing() -> Result<()> {
    let scope = CancelScope::new();
    let remote = Cell::new(None);
    scope
        .run(async || {
            remote.set(Some(scope.remote()));
            anyio::Ok(())
        })
        .await?;
    let remote = remote.take().unwrap();
    let other = CancelScope::new();
    let ended = other
        .run(async || -> Result<i32> {
            let _other = other.remote();
            assert!(remote.cancel());
            sleep(Duration::from_millis(1)).await?;
            Ok(1)
        })
        .await?;
    assert_eq!(ended, Some(1));
    assert!(!scope.cancel_called());
    Ok(())
}

#[anyio::test]
async fn statistics_count_tasks_and_waits() -> Result<()> {
    let before = lowlevel::statistics();
    assert_eq!((before.tasks, before.operations_in_flight, before.orphaned_operations), (1, 0, 0));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            sleep_forever().await;
        });
        wait_all_tasks_blocked().await?;
        let during = lowlevel::statistics();
        assert_eq!((during.tasks, during.waits), (3, before.waits + 1));
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(lowlevel::statistics(), before);
    Ok(())
}
