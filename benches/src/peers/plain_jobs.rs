//! Jobs whose code is the same for all runtimes that spawn with a function and wait for a handle.

/// Defines these jobs with what is in scope as `run`, `spawn`, `sleep`, `timeout` and `yield_now`.
macro_rules! plain_jobs {
    () => {
        fn spawn_join(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                for batch in batches(count) {
                    let handles: Vec<_> =
                        (0..batch).map(|number| spawn(async move { black_box(number) })).collect();
                    for handle in handles {
                        let _ = black_box(handle.await);
                    }
                }
                Ok(())
            })
        }

        fn spawn_await(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                for number in 0..count {
                    let _ = black_box(spawn(async move { black_box(number) }).await);
                }
                Ok(())
            })
        }

        fn yields(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                let yielder = || async move {
                    for _ in 0..count / YIELDERS {
                        yield_now().await;
                    }
                };
                let handles: Vec<_> = (0..YIELDERS).map(|_| spawn(yielder())).collect();
                for handle in handles {
                    let _ = handle.await;
                }
                Ok(())
            })
        }

        fn timer_cancel(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                poll_fn(|cx| {
                    for _ in 0..count {
                        assert!(pin!(sleep(LONG)).poll(cx).is_pending());
                    }
                    Poll::Ready(())
                })
                .await;
                Ok(())
            })
        }

        fn timer_fire(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                for batch in batches(count) {
                    let nap = |number| async move {
                        sleep(nap(number)).await;
                    };
                    let handles: Vec<_> = (0..batch).map(|number| spawn(nap(number))).collect();
                    for handle in handles {
                        let _ = handle.await;
                    }
                }
                Ok(())
            })
        }

        fn timeout_ready(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                for number in 0..count {
                    let _ = black_box(timeout(LONG, ready(black_box(number))).await);
                }
                Ok(())
            })
        }

        fn timeout_yield(order: &Order) -> anyhow::Result<Measured> {
            run(order, async |count| {
                for _ in 0..count {
                    let _ = timeout(LONG, async { yield_now().await }).await;
                }
                Ok(())
            })
        }
    };
}

/// Defines how tasks that wait for ever are started, and cancelled by their handles all at the same time, with what is
/// in scope as `spawn` and `sleep`.
macro_rules! cancel_by_handle {
    () => {
        async fn cancel<F>(operations: u64, mut wait: impl FnMut() -> F) -> anyhow::Result<Measured>
        where
            F: Future<Output = ()> + 'static,
        {
            let arrivals = Arrivals::default();
            let mut tasks = Vec::new();
            for _ in 0..operations {
                let (arrivals, wait) = (arrivals.clone(), wait());
                tasks.push(spawn(async move {
                    arrivals.arrive();
                    wait.await;
                }));
            }
            arrivals.reach(operations).await;
            sleep(SETTLE).await;
            let stopwatch = Stopwatch::start()?;
            join_all(tasks.into_iter().map(|task| task.cancel())).await;
            Ok(stopwatch.stop(operations)?)
        }
    };
}

pub(super) use {cancel_by_handle, plain_jobs};
