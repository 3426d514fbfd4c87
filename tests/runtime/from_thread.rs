//! What a worker thread does in the run that it works for.

use anyio::{
    CancelScope, Error, Result, from_thread, lowlevel, move_on_after, shield, sleep, task_group, to_thread,
};
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

#[anyio::test]
async fn a_function_runs_on_the_thread_of_the_run_and_its_value_comes_back() -> Result<()> {
    let here = thread::current().id();
    let there = to_thread::run_sync(|| {
        from_thread::run(async || {
            lowlevel::checkpoint().await?;
            anyio::Ok(thread::current().id())
        })
    })
    .await???;
    assert_eq!(here, there);
    let there = to_thread::run_sync(|| from_thread::run_sync(|| thread::current().id())).await??;
    assert_eq!(here, there);
    Ok(())
}

#[anyio::test]
async fn one_call_after_the_other_may_come_from_one_function() -> Result<()> {
    let sum = to_thread::run_sync(|| -> Result<u32> {
        let mut sum = 0;
        for number in 0..100 {
            sum += from_thread::run(async move || {
                if number % 7 == 0 {
                    sleep(Duration::from_micros(10)).await?;
                }
                anyio::Ok(number)
            })??;
        }
        Ok(sum)
    })
    .await??;
    assert_eq!(sum, 4950);
    Ok(())
}

#[anyio::test]
async fn a_call_may_call_a_thread_that_calls_back() -> Result<()> {
    let depth = to_thread::run_sync(|| {
        from_thread::run(async || {
            to_thread::run_sync(|| from_thread::run(async || anyio::Ok(3))).await???;
            anyio::Ok(2)
        })
    })
    .await???;
    assert_eq!(depth, 2);
    Ok(())
}

#[anyio::test]
async fn what_is_called_lives_in_the_scopes_of_the_waiting_task() -> Result<()> {
    let reached = Arc::new(AtomicBool::new(false));
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let (seen, scope_of_child) = (reached.clone(), scope.clone());
        let (begun, has_begun) = mpsc::channel();
        let child = tg.start_soon(async move {
            scope_of_child
                .run(async || -> Result<()> {
                    let result = to_thread::run_sync(move || {
                        let result = from_thread::run(async move || {
                            begun.send(()).unwrap();
                            sleep(Duration::from_secs(3600)).await
                        });
                        seen.store(true, Ordering::SeqCst);
                        result
                    })
                    .await?;
                    assert!(matches!(result, Ok(Err(_))), "the sleep itself is cancelled: {result:?}");
                    lowlevel::checkpoint().await?;
                    Ok(())
                })
                .await
        });
        to_thread::run_sync(move || has_begun.recv().unwrap()).await?;
        scope.cancel();
        assert_eq!(child.await?, None);
        Ok(())
    })
    .await?;
    assert!(reached.load(Ordering::SeqCst));
    Ok(())
}

#[anyio::test]
async fn a_thread_learns_that_its_caller_was_cancelled() -> Result<()> {
    let given = move_on_after(Duration::from_millis(5), async {
        to_thread::run_sync(|| -> Result<()> {
            loop {
                from_thread::check_cancelled()?;
                thread::yield_now();
            }
        })
        .await?
    })
    .await?;
    assert!(given.is_none());
    Ok(())
}

#[anyio::test]
async fn a_shield_protects_a_thread_from_its_callers_cancellation() -> Result<()> {
    let scope = CancelScope::new();
    scope
        .run(async || -> Result<()> {
            scope.cancel();
            let looked = shield(async { to_thread::run_sync(from_thread::check_cancelled).await }).await?;
            assert!(looked.is_ok(), "{looked:?}");
            Ok(())
        })
        .await?;
    Ok(())
}

#[anyio::test]
async fn an_abandoned_thread_is_told_so() -> Result<()> {
    let (begun, has_begun) = mpsc::channel();
    let (outcome, told) = mpsc::channel();
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let scope_of_child = scope.clone();
        let child = tg.start_soon(async move {
            let call = to_thread::run_sync(move || {
                let asked = from_thread::run(async move || {
                    begun.send(()).unwrap();
                    std::future::pending::<()>().await
                });
                outcome.send((asked, from_thread::run_sync(|| ()), from_thread::check_cancelled())).unwrap();
            });
            scope_of_child.run(async || call.abandon_on_cancel().await).await
        });
        to_thread::run_sync(move || has_begun.recv().unwrap()).await?;
        scope.cancel();
        assert_eq!(child.await?, None);
        let (asked, later, looked) = to_thread::run_sync(move || told.recv().unwrap()).await?;
        for result in [asked, later, looked] {
            assert!(matches!(result, Err(Error::Cancelled(_))), "{result:?}");
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_panic_goes_on_on_the_thread_that_asked() -> Result<()> {
    let message = to_thread::run_sync(|| {
        let asked = catch_unwind(AssertUnwindSafe(|| from_thread::run::<()>(async || panic!("in the run"))));
        *asked.unwrap_err().downcast::<&str>().unwrap()
    })
    .await?;
    assert_eq!(message, "in the run");
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_virtual_clock_goes_on_while_a_thread_waits_for_the_run() -> Result<()> {
    let before = anyio::current_time();
    to_thread::run_sync(|| from_thread::run(async || sleep(Duration::from_secs(3600)).await)).await???;
    assert_eq!(anyio::current_time() - before, Duration::from_secs(3600));
    Ok(())
}

#[test]
fn elsewhere_there_is_no_run_to_reach() {
    assert!(matches!(from_thread::run(async || ()), Err(Error::NoRun)));
    assert!(matches!(from_thread::check_cancelled(), Err(Error::NoRun)));
}

#[anyio::test]
async fn a_token_has_a_function_called_in_its_run() -> Result<()> {
    let here = thread::current().id();
    let token = lowlevel::current_token().unwrap();
    let (called, panicked) = to_thread::run_sync(move || {
        let called = token.run_sync(|| thread::current().id());
        (called, catch_unwind(AssertUnwindSafe(|| token.run_sync::<()>(|| panic!("there")))).is_err())
    })
    .await?;
    assert_eq!(called?, here);
    assert!(panicked);
    Ok(())
}

#[test]
fn a_token_of_a_run_that_is_over_says_so() {
    let token = anyio::run(async || lowlevel::current_token().unwrap());
    assert!(matches!(token.run_sync(|| ()), Err(Error::RunFinished)));
}

/// Polls something once and forgets it.
async fn forget(future: impl Future) {
    let mut future = Box::pin(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
    std::mem::forget(future);
}

#[test]
fn threads_whose_calls_were_forgotten_hear_of_the_end_of_the_run() {
    for backend in anyio::testing::test_backends() {
        let (heard, hears) = mpsc::channel();
        let (asks, is_over) = (heard.clone(), heard.clone());
        let (forgotten, is_forgotten) = mpsc::channel::<()>();
        let (late, at_last) = mpsc::channel::<()>();
        anyio::Builder::new()
            .backend(backend)
            .run(async || {
                let (asking, is_asking) = mpsc::channel();
                forget(to_thread::run_sync(move || {
                    is_forgotten.recv().unwrap_err();
                    asking.send(()).unwrap();
                    asks.send(from_thread::run(async || 1).err()).unwrap();
                }))
                .await;
                forget(to_thread::run_sync(move || {
                    while from_thread::check_cancelled().is_ok() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    is_over.send(from_thread::check_cancelled().err()).unwrap();
                }))
                .await;
                forget(to_thread::run_sync(move || {
                    at_last.recv().unwrap_err();
                    heard.send(from_thread::run(async || 1).err()).unwrap();
                }))
                .await;
                drop(forgotten);
                is_asking.recv().unwrap();
            })
            .unwrap();
        // The third asks when the run is over.
        drop(late);
        for _ in 0..3 {
            let told = hears.recv().unwrap();
            assert!(matches!(told, Some(Error::Cancelled(_))), "{told:?}");
        }
    }
}
