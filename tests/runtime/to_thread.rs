//! Blocking functions on worker threads.

use anyio::{
    Builder, CancelScope, Error, Result, fail_after, from_thread, fs, lowlevel, move_on_after, net, process,
    sleep,
    sync::CapacityLimiter,
    task_group,
    testing::{run_test, test_backends, wait_all_tasks_blocked},
    to_thread,
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

fn on_each_backend(test: impl AsyncFn() -> Result<()>) {
    for backend in test_backends() {
        run_test(Builder::new(), backend, None, async || test().await);
    }
}

/// Lets others have their turn until something is so.
async fn wait_until(is_so: impl Fn() -> bool) -> Result<()> {
    while !is_so() {
        lowlevel::checkpoint().await?;
    }
    Ok(())
}

/// Has a thread call a function, and abandons the call once the function has begun.
async fn abandon_once_begun(
    function: impl FnOnce() + Send + 'static,
    limiter: Rc<CapacityLimiter>,
) -> Result<()> {
    let (begun, has_begun) = mpsc::channel();
    let call = to_thread::run_sync(move || {
        begun.send(()).unwrap();
        function();
    });
    let call = call.limiter(&limiter).abandon_on_cancel();
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let abandoned = tg.start_soon({
            let scope = scope.clone();
            async move { scope.run(async || call.await).await }
        });
        to_thread::run_sync(move || has_begun.recv().unwrap()).await?;
        scope.cancel();
        assert_eq!(abandoned.await?, None);
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn the_value_comes_back_from_another_thread() {
    on_each_backend(async || {
        let here = thread::current().id();
        let there = to_thread::run_sync(|| thread::current().id()).await?;
        assert_ne!(here, there);
        Ok(())
    });
}

#[test]
fn in_a_cancelled_scope_the_function_never_runs() {
    on_each_backend(async || {
        let ran = Arc::new(AtomicBool::new(false));
        let scope = CancelScope::new();
        let result = scope
            .run(async || -> Result<()> {
                scope.cancel();
                let ran = ran.clone();
                to_thread::run_sync(move || ran.store(true, Ordering::SeqCst)).await
            })
            .await?;
        assert_eq!(result, None);
        // A call that came later has run: an earlier one would have, too.
        to_thread::run_sync(|| ()).await?;
        assert!(!ran.load(Ordering::SeqCst));
        Ok(())
    });
}

#[test]
fn a_panic_is_carried_over_to_the_caller() {
    for backend in test_backends() {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run(async || {
                to_thread::run_sync(|| std::panic::resume_unwind(Box::new("from the thread"))).await
            })
        }))
        .map(drop)
        .unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"from the thread"));
    }
}

#[test]
fn a_running_function_is_awaited_although_the_scope_is_cancelled() {
    on_each_backend(async || {
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel::<()>();
        let scope = CancelScope::new();
        let value = Cell::new(None);
        task_group(async |tg| -> Result<()> {
            let (scope, value) = (&scope, &value);
            tg.start_soon(async move {
                let call = to_thread::run_sync(move || {
                    begun.send(()).unwrap();
                    released.recv().unwrap();
                    7
                });
                scope
                    .run(async || -> Result<()> {
                        value.set(Some(call.await?));
                        assert!(lowlevel::checkpoint().await.is_err());
                        Ok(())
                    })
                    .await?;
                Ok(())
            });
            to_thread::run_sync(move || has_begun.recv().unwrap()).await?;
            scope.cancel();
            for _ in 0..10 {
                lowlevel::checkpoint().await?;
            }
            assert_eq!(value.get(), None);
            release.send(()).unwrap();
            Ok(())
        })
        .await?;
        assert_eq!(value.get(), Some(7));
        Ok(())
    });
}

#[test]
fn an_abandoned_function_goes_on_while_the_caller_does() {
    on_each_backend(async || {
        let (release, released) = mpsc::channel::<()>();
        let (ended, has_ended) = mpsc::channel::<()>();
        let function = move || {
            released.recv().unwrap();
            ended.send(()).unwrap();
        };
        abandon_once_begun(function, to_thread::current_default_thread_limiter()).await?;
        release.send(()).unwrap();
        to_thread::run_sync(move || has_ended.recv().unwrap()).await?;
        Ok(())
    });
}

#[test]
fn never_more_than_forty_functions_run_at_a_time() {
    on_each_backend(async || {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        task_group(async |tg| -> Result<()> {
            for _ in 0..100 {
                let (running, most) = (running.clone(), most.clone());
                tg.start_soon(to_thread::run_sync(move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(2));
                    running.fetch_sub(1, Ordering::SeqCst);
                }));
            }
            Ok(())
        })
        .await?;
        assert!((2..=40).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        Ok(())
    });
}

#[test]
fn an_abandoned_function_keeps_its_thread_lent_until_it_ends() {
    on_each_backend(async || {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let begun = Arc::new(AtomicUsize::new(0));
        let scope = CancelScope::new();
        scope
            .run(async || -> Result<()> {
                task_group(async |tg| -> Result<()> {
                    for _ in 0..40 {
                        let (released, begun) = (released.clone(), begun.clone());
                        tg.start_soon(
                            to_thread::run_sync(move || {
                                begun.fetch_add(1, Ordering::SeqCst);
                                released.lock().unwrap().recv().unwrap();
                            })
                            .abandon_on_cancel(),
                        );
                    }
                    while begun.load(Ordering::SeqCst) < 40 {
                        sleep(Duration::from_millis(1)).await?;
                    }
                    scope.cancel();
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .await?;
        let refused = move_on_after(Duration::from_millis(20), to_thread::run_sync(|| ())).await?;
        assert_eq!(refused, None, "all forty threads are still lent");
        for _ in 0..40 {
            release.send(()).unwrap();
        }
        for _ in 0..80 {
            to_thread::run_sync(|| ()).await?;
        }
        Ok(())
    });
}

#[test]
fn a_call_that_is_dropped_while_it_waits_passes_its_turn_on() {
    on_each_backend(async || {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        task_group(async |tg| -> Result<()> {
            for _ in 0..40 {
                let released = released.clone();
                tg.start_soon(to_thread::run_sync(move || released.lock().unwrap().recv().unwrap()));
            }
            wait_all_tasks_blocked().await?;
            let dropped = tg.start_soon(async {
                to_thread::run_sync(|| unreachable!("cancelled while it waited")).await?;
                Ok(())
            });
            wait_all_tasks_blocked().await?;
            let after = tg.start_soon(to_thread::run_sync(|| 5));
            wait_all_tasks_blocked().await?;
            dropped.cancel();
            for _ in 0..40 {
                release.send(()).unwrap();
            }
            assert_eq!(after.await?, 5);
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn the_function_and_what_it_holds_are_gone_afterwards() {
    on_each_backend(async || {
        let held = Arc::new(());
        let copy = held.clone();
        to_thread::run_sync(move || drop(copy)).await?;
        assert_eq!(Arc::strong_count(&held), 1);
        Ok(())
    });
}

#[test]
fn errors_of_the_function_are_its_value() {
    on_each_backend(async || {
        let result = to_thread::run_sync(|| Err::<(), Error>(Error::WouldBlock)).await?;
        assert!(matches!(result, Err(Error::WouldBlock)));
        Ok(())
    });
}

#[test]
fn an_abandoned_function_may_end_while_its_run_does() {
    on_each_backend(async || {
        let (release, released) = mpsc::channel::<()>();
        let limiter = to_thread::current_default_thread_limiter();
        abandon_once_begun(move || released.recv().unwrap(), limiter).await?;
        let (reader, writer) = std::io::pipe()?;
        let mut file = anyio::fs::File::from(std::os::fd::OwnedFd::from(reader));
        // What is in flight at the end makes the run look at its messages once more.
        let _ = move_on_after(Duration::ZERO, async { file.read(vec![0; 8]).await.0 }).await?;
        release.send(()).unwrap();
        drop(writer);
        Ok(())
    });
}

#[test]
fn the_limiter_of_the_run_is_shared_by_its_calls_and_can_be_changed() {
    on_each_backend(async || {
        let limiter = to_thread::current_default_thread_limiter();
        assert_eq!(limiter.total_tokens(), 40);
        assert!(Rc::ptr_eq(&limiter, &to_thread::current_default_thread_limiter()));
        limiter.set_total_tokens(1);
        let (release, released) = mpsc::channel::<()>();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(to_thread::run_sync(move || released.recv().unwrap()));
            wait_until(|| limiter.borrowed_tokens() == 1).await?;
            let second = tg.start_soon(to_thread::run_sync(|| 2));
            wait_until(|| limiter.statistics().tasks_waiting == 1).await?;
            assert_eq!(limiter.borrowed_tokens(), 1);
            // One more token is enough for the second although the first still runs.
            limiter.set_total_tokens(2);
            assert_eq!(second.await?, 2);
            release.send(()).unwrap();
            Ok(())
        })
        .await?;
        assert_eq!(limiter.borrowed_tokens(), 0);
        Ok(())
    });
}

#[test]
fn a_call_with_a_limiter_of_its_own_takes_no_turn_of_the_others() {
    on_each_backend(async || {
        to_thread::current_default_thread_limiter().set_total_tokens(0);
        let limiter = Rc::new(CapacityLimiter::new(2));
        let (release, released) = mpsc::channel::<()>();
        // One task can have several calls under way.
        let functions: [Box<dyn FnOnce() + Send>; 2] =
            [Box::new(move || released.recv().unwrap()), Box::new(move || release.send(()).unwrap())];
        anyio::gather(functions.map(|function| to_thread::run_sync(function).limiter(&limiter))).await?;
        assert_eq!(limiter.borrowed_tokens(), 0);
        Ok(())
    });
}

#[test]
fn an_abandoned_call_keeps_the_token_of_its_own_limiter_until_its_thread_ends() {
    on_each_backend(async || {
        let limiter = Rc::new(CapacityLimiter::new(1));
        let (release, released) = mpsc::channel::<()>();
        abandon_once_begun(move || released.recv().unwrap(), limiter.clone()).await?;
        assert_eq!(limiter.borrowed_tokens(), 1);
        task_group(async |tg| -> Result<()> {
            let next = tg.start_soon(to_thread::run_sync(|| 3).limiter(&limiter));
            wait_until(|| limiter.statistics().tasks_waiting == 1).await?;
            release.send(()).unwrap();
            assert_eq!(next.await?, 3);
            Ok(())
        })
        .await?;
        assert_eq!(limiter.borrowed_tokens(), 0);
        Ok(())
    });
}

#[test]
fn what_is_abandoned_gives_its_token_back_at_the_end_of_its_run() {
    let limiter = Rc::new(CapacityLimiter::new(1));
    let mut held = Vec::new();
    for backend in test_backends() {
        let (release, released) = mpsc::channel::<()>();
        held.push(release);
        let released = Cell::new(Some(released));
        run_test(Builder::new(), backend, None, async || -> Result<()> {
            let released = released.take().expect("a test runs once");
            let function = move || assert!(released.recv().is_err(), "released only when it is dropped");
            abandon_once_begun(function, limiter.clone()).await?;
            assert_eq!(limiter.borrowed_tokens(), 1);
            Ok(())
        });
        assert_eq!(limiter.borrowed_tokens(), 0);
    }
}

/// Blocks threads until it is dropped.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(closed, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[test]
fn functions_that_block_all_threads_keep_none_of_the_runs_own_work_waiting() {
    on_each_backend(async || {
        let gate = Gate::default();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // More than the usual limiter and one of the program's own have threads for.
        let own = Rc::new(CapacityLimiter::new(20));
        task_group(async |tg| -> Result<()> {
            for number in 0..100 {
                let (gate, own) = (gate.clone(), own.clone());
                tg.start_soon(async move {
                    let call = to_thread::run_sync(move || gate.pass());
                    if number % 2 == 0 { call.await } else { call.limiter(&own).await }
                });
            }
            sleep(Duration::from_millis(20)).await?;
            let work = fail_after(Duration::from_secs(30), async {
                fs::write(&path, "hello").await?;
                assert_eq!(fs::read(&path).await?, b"hello");
                assert_eq!(fs::canonicalize(&path).await?, path.canonicalize()?);
                let file = fs::File::open(&path).await?;
                assert!(file.try_lock().await?);
                file.close().await?;
                let mut entries = fs::read_dir(folder.path()).await?;
                assert!(entries.next().await?.is_some());
                assert!(net::TcpStream::connect("localhost:1").await.is_err());
                process::run(["true"]).await?;
                fs::remove_dir_all(folder.path()).await
            });
            let done = work.await;
            gate.open();
            done
        })
        .await?;
        Ok(())
    });
}

/// Counts that it was dropped, and panics.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a destructor");
    }
}

#[test]
fn a_function_that_is_taken_back_and_panics_as_it_is_dropped_leaves_nothing_behind() {
    on_each_backend(async || {
        let (dropped, scope) = (Arc::new(AtomicUsize::new(0)), CancelScope::new());
        let limiter = Rc::new(CapacityLimiter::new(1000));
        let before = lowlevel::statistics().waits;
        // Which of them a thread has begun is a matter of time; afterwards it is all the same.
        for number in 0..60 {
            let bomb = Bomb(dropped.clone());
            let call = to_thread::run_sync(move || drop(bomb)).limiter(&limiter);
            let mut call = Box::pin(if number % 3 == 0 { call } else { call.abandon_on_cancel() });
            let mut poll = async |cancelled: bool| {
                let polled = poll_fn(|cx| {
                    Poll::Ready(catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx).is_ready())))
                });
                if cancelled {
                    scope.run(async || anyio::Ok(polled.await)).await
                } else {
                    Ok(Some(polled.await))
                }
            };
            let over = poll(false).await?.is_none_or(|polled| polled.unwrap_or(true));
            if number % 2 == 0 && !over {
                scope.cancel();
                poll(true).await?;
            }
            drop(catch_unwind(AssertUnwindSafe(|| drop(call))));
        }
        wait_until(|| dropped.load(Ordering::SeqCst) == 60 && limiter.borrowed_tokens() == 0).await?;
        assert_eq!(lowlevel::statistics().waits, before);
        Ok(())
    });
}

#[test]
fn what_waits_and_what_is_asked_for_go_each_although_the_other_panics() {
    struct Hostile;
    impl std::task::Wake for Hostile {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Hostile {
        fn drop(&mut self) {
            panic!("a waker");
        }
    }
    on_each_backend(async || {
        let (dropped, limiter) = (Arc::new(AtomicUsize::new(0)), Rc::new(CapacityLimiter::new(1)));
        let ((asking, is_asking), (go, may_ask)) = (mpsc::channel(), mpsc::channel());
        let bomb = Bomb(dropped.clone());
        let call = to_thread::run_sync(move || {
            may_ask.recv().unwrap();
            asking.send(()).unwrap();
            drop(from_thread::run(async move || drop(bomb)));
        });
        let mut call = Box::pin(call.limiter(&limiter));
        {
            let waker = Arc::new(Hostile).into();
            assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // The clone that the call has is the last.
        }
        go.send(()).unwrap();
        is_asking.recv().unwrap();
        thread::sleep(Duration::from_millis(5));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(call))).is_err());
        wait_until(|| dropped.load(Ordering::SeqCst) == 1 && limiter.borrowed_tokens() == 0).await
    });
}

#[test]
fn a_run_may_have_one_limiter_for_functions_files_and_workers() {
    on_each_backend(async || {
        let one = Rc::new(CapacityLimiter::new(1));
        to_thread::set_default_thread_limiter(&one);
        fs::set_thread_limiter(&one);
        anyio::to_process::set_default_process_limiter(&one);
        assert!(Rc::ptr_eq(&one, &to_thread::current_default_thread_limiter()));
        assert!(Rc::ptr_eq(&one, &fs::current_thread_limiter()));
        assert!(Rc::ptr_eq(&one, &anyio::to_process::current_default_process_limiter()));
        let (gate, held) = mpsc::channel::<()>();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(to_thread::run_sync(move || held.recv().unwrap_err()));
            wait_until(|| one.borrowed_tokens() == 1).await?;
            let waiting = move_on_after(Duration::from_millis(5), to_thread::run_sync(|| ())).await?;
            assert!(waiting.is_none(), "the one thread is lent");
            // What the system does without a thread goes on; this is done on one everywhere.
            let waiting = move_on_after(Duration::from_millis(5), fs::canonicalize(".")).await?;
            assert!(waiting.is_none(), "files use the same");
            drop(gate);
            Ok(())
        })
        .await?;
        fs::canonicalize(".").await?;
        Ok(())
    });
    let limiter = anyio::run(async || to_thread::current_default_thread_limiter().total_tokens());
    assert_eq!(limiter, 40, "the next run has its own");
}
