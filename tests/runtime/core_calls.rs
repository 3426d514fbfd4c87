//! What cores do for each other.

use anyio::{
    Builder, CancelScope, Core, Error, ErrorGroup, ReasonKind, Result, TaskLocal, cores::PerCore,
    cross::Event, current_cancel_reason, finishing, lowlevel, move_on_after, run_on_cores, shield, sleep,
    sleep_forever, task_group, testing::test_backends,
};
use futures_util::FutureExt;
use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// Runs a program on two cores, of which the second waits until the first has ended, on each back end.
fn with_other(test: impl AsyncFn(&Core, &Core) -> Result<()> + Sync) {
    for backend in test_backends() {
        let over = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Ok(over.wait().await?);
            }
            let other = core.all().nth(1).unwrap();
            let ended = test(core, &other).await;
            over.set();
            ended
        });
        assert_eq!(ended.unwrap().map(|values| values.len()), Some(2));
    }
}

async fn forever<T>() -> Result<T> {
    Err(sleep_forever().await.into())
}

/// Waits for something that another thread brings about.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(1)).await.unwrap();
    }
}

fn set(flag: &Arc<AtomicBool>) {
    flag.store(true, Ordering::SeqCst);
}

fn is_set(flag: &Arc<AtomicBool>) -> bool {
    flag.load(Ordering::SeqCst)
}

fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

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
fn an_error_of_a_child_elsewhere_cancels_its_siblings_and_comes_out() {
    with_other(async |core, other| {
        let cancelled = flag();
        let ended = task_group(async |tg| -> Result<()> {
            let noted = cancelled.clone();
            tg.spawn_on(other, async move || -> Result<()> {
                let ended = forever().await;
                noted.store(lowlevel::is_cancelled(), Ordering::SeqCst);
                ended
            });
            tg.start_soon(forever::<()>());
            tg.spawn_on(core, async || -> Result<()> { forever().await });
            tg.spawn_on(other, async || -> Result<()> { Err(Error::WouldBlock) });
            forever().await
        })
        .await;
        assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        assert!(is_set(&cancelled), "it is awaited, too");
        Ok(())
    });
}

#[test]
fn the_values_of_children_elsewhere_come_by_their_handles() {
    with_other(async |core, other| {
        task_group(async |tg| -> Result<()> {
            let one = tg.spawn_on(other, async || Ok(1));
            let two = tg.spawn_on(core, async || Ok(2));
            assert_eq!((one.await?, two.await?), (1, 2));
            let mut cancelled = tg.spawn_on(other, async || -> Result<()> { forever().await });
            cancelled.cancel();
            assert_eq!(cancelled.outcome().await?, Err(anyio::NoValue::Cancelled));
            // Forgotten or dropped, it goes on.
            let done = flag();
            let noted = done.clone();
            std::mem::forget(tg.spawn_on(other, async move || {
                set(&noted);
                Ok(())
            }));
            until(|| is_set(&done)).await;
            Ok(())
        })
        .await?;
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
fn cancelling_reaches_the_other_core_and_is_awaited() {
    with_other(async |_, other| {
        let (begun, cleaned) = (flag(), flag());
        let (tell, noted) = (begun.clone(), cleaned.clone());
        let scope = CancelScope::new();
        let value = scope
            .run(async || {
                let call = other.run(async move || {
                    set(&tell);
                    sleep_forever().await;
                    let reason = current_cancel_reason().unwrap();
                    shield(sleep(Duration::from_millis(5))).await.unwrap();
                    set(&noted);
                    (reason.kind(), reason.message().map(str::to_owned))
                });
                let mut call = pin!(call);
                std::future::poll_fn(|cx| {
                    if is_set(&begun) && !scope.cancel_called() {
                        scope.cancel_because("enough");
                    }
                    cx.waker().wake_by_ref();
                    call.as_mut().poll(cx)
                })
                .await
            })
            .await?;
        assert!(is_set(&cleaned));
        // What it gives comes out all the same.
        assert_eq!(value, Some((ReasonKind::Explicit, Some("enough".to_owned()))));
        Ok(())
    });
}

#[test]
fn what_has_not_begun_is_taken_back_when_it_is_cancelled() {
    struct Noted(thread::ThreadId, Arc<AtomicBool>);
    impl Drop for Noted {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0, "it never left its thread");
            set(&self.1);
        }
    }
    with_other(async |_, other| {
        let (tell, told) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let blocked = async move || {
            tell.send(()).unwrap();
            // Its whole thread waits.
            wait.recv_timeout(LONG).unwrap();
        };
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { other.run(blocked).await });
            until(|| told.try_recv().is_ok()).await;
            let dropped = flag();
            let noted = Noted(thread::current().id(), dropped.clone());
            let begun = flag();
            let tell = begun.clone();
            let ended = move_on_after(
                Duration::from_millis(2),
                other.run(async move || {
                    set(&tell);
                    drop(noted);
                }),
            )
            .await?;
            assert!(ended.is_none() && is_set(&dropped));
            go_on.send(()).unwrap();
            assert_eq!(other.run(async || 1).await?, 1);
            assert!(!is_set(&begun));
            Ok(())
        })
        .await?;
        Ok(())
    });
}

/// Polls a future once.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_was_begun_is_cancelled_when_its_future_is_dropped() {
    with_other(async |_, other| {
        let (begun, ended) = (flag(), flag());
        let (tell, noted) = (begun.clone(), ended.clone());
        let mut call = Box::pin(other.run(async move || {
            set(&tell);
            sleep_forever().await;
            set(&noted);
        }));
        assert!(poll_once(call.as_mut()).is_pending());
        until(|| is_set(&begun)).await;
        drop(call);
        until(|| is_set(&ended)).await;
        Ok(())
    });
}

#[test]
fn calls_that_are_forgotten_keep_no_core_from_ending() {
    with_other(async |core, other| {
        for target in [core, other] {
            let begun = flag();
            let tell = begun.clone();
            let mut call = Box::pin(target.run(async move || {
                set(&tell);
                sleep_forever().await;
            }));
            assert!(poll_once(call.as_mut()).is_pending());
            until(|| is_set(&begun)).await;
            std::mem::forget(call);
            // Also by what another core was asked for.
            let inner = other.clone();
            core.run(async move || {
                let mut call = Box::pin(inner.run(async || sleep_forever().await));
                assert!(poll_once(call.as_mut()).is_pending());
                std::mem::forget(call);
            })
            .await?;
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
                assert!(poll_once(forgotten.as_mut()).is_pending());
                std::mem::forget(forgotten);
                core.run(async || Core::current().unwrap().index()).await
            })
        });
        assert_eq!(asked.await??, 1);
        Ok(())
    });
}

struct Noted(Arc<AtomicBool>);

impl Drop for Noted {
    fn drop(&mut self) {
        set(&self.0);
    }
}

#[test]
fn a_core_that_has_ended_says_so() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend);
        let cores = builder.run_on_cores(1, async |core: &Core| -> Result<Core> { Ok(core.clone()) });
        let core = cores.unwrap().unwrap().remove(0);
        let after = builder.run(async || -> Result<()> {
            let dropped = flag();
            let noted = Noted(dropped.clone());
            let refused = core.run(async move || drop(noted)).await;
            assert!(matches!(refused, Err(Error::RunFinished)), "{refused:?}");
            assert!(is_set(&dropped));
            let failed = task_group(async |tg| -> Result<()> {
                tg.spawn_on(&core, async || Ok(()));
                forever().await
            })
            .await;
            assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::RunFinished)));
            assert_eq!((core.utilisation(), core.connections()), (0.0, 0));
            Ok(())
        });
        after.unwrap().unwrap();
    }
}

#[test]
fn a_core_whose_program_has_returned_goes_on_with_what_others_ask() {
    for backend in test_backends() {
        let returning = AtomicBool::new(false);
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<usize> {
            if core.index() == 1 {
                returning.store(true, Ordering::SeqCst);
                return Ok(0);
            }
            until(|| returning.load(Ordering::SeqCst)).await;
            let other = core.all().nth(1).unwrap();
            let mut answered = 0;
            for _ in 0..20 {
                answered += other.run(async || sleep(Duration::from_millis(1)).await.map(|()| 1)).await??;
            }
            Ok(answered)
        });
        assert_eq!(ended.unwrap(), Some(vec![20, 0]));
    }
}

#[test]
fn a_core_ends_when_what_it_was_asked_for_has() {
    for backend in test_backends() {
        let done = flag();
        let (tell, asked) = mpsc::channel::<Core>();
        let noted = done.clone();
        // A run that is none of a core's: all programs return while it waits.
        let outside = thread::spawn(move || {
            let core = asked.recv().unwrap();
            anyio::run(async || {
                core.run(async move || {
                    let here = Core::current().unwrap();
                    // Until the cores take nothing more.
                    while here.run(async || ()).await.is_ok() {}
                    sleep(Duration::from_millis(5)).await.unwrap();
                    set(&noted);
                    7
                })
                .await
            })
        });
        let begun = flag();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 0 {
                tell.send(core.all().nth(1).unwrap()).unwrap();
                until(|| is_set(&begun)).await;
                return Ok(());
            }
            // What was asked for before is done before.
            let marker = begun.clone();
            core.run(async move || set(&marker)).await?;
            Ok(())
        });
        assert!(ended.unwrap().is_some());
        match outside.join().unwrap() {
            Ok(value) => assert!(value == 7 && is_set(&done)),
            // It came too late.
            Err(error) => assert!(matches!(error, Error::RunFinished) && !is_set(&done), "{error:?}"),
        }
    }
}

#[test]
fn each_call_on_its_way_to_a_core_that_ends_is_done_or_refused() {
    for backend in test_backends() {
        for after in [0, 1, 100, 1000] {
            let done = Arc::new(AtomicUsize::new(0));
            let (tell, asked) = mpsc::channel::<Core>();
            let counted = done.clone();
            let outside = thread::spawn(move || {
                let core = asked.recv().unwrap();
                let (answered, refused) = (Cell::new(0), Cell::new(0));
                anyio::run(async || {
                    task_group(async |tg| -> Result<()> {
                        for _ in 0..3000 {
                            let counted = counted.clone();
                            let (core, answered, refused) = (&core, &answered, &refused);
                            tg.start_soon(async move {
                                match core.run(async move || counted.fetch_add(1, Ordering::SeqCst)).await {
                                    Ok(_) => answered.set(answered.get() + 1),
                                    Err(Error::RunFinished) => refused.set(refused.get() + 1),
                                    Err(error) => return Err(error),
                                }
                                anyio::Ok(())
                            });
                            lowlevel::checkpoint().await?;
                        }
                        Ok(())
                    })
                    .await
                })
                .unwrap();
                (answered.get(), refused.get())
            });
            let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 1 {
                    tell.send(core.clone()).unwrap();
                }
                until(|| done.load(Ordering::SeqCst) >= after).await;
                Ok(())
            });
            assert!(ended.unwrap().is_some());
            let (answered, refused) = outside.join().unwrap();
            assert_eq!((answered + refused, answered), (3000, done.load(Ordering::SeqCst)));
        }
    }
}

#[test]
fn thousands_of_children_go_both_ways() {
    const COUNT: u64 = 5000;
    for backend in test_backends() {
        let arrived = Event::new();
        let arrivals = AtomicUsize::new(0);
        let sums = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<u64> {
            let other = core.all().find(|other| other != core).unwrap();
            let sum = Cell::new(0);
            task_group(async |tg| -> Result<()> {
                for number in 0..COUNT {
                    let child = tg.spawn_on(&other, async move || Ok(number));
                    let sum = &sum;
                    tg.start_soon(async move {
                        let number = child.await?;
                        sum.set(sum.get() + number);
                        anyio::Ok(())
                    });
                }
                Ok(())
            })
            .await?;
            // Neither ends before the other has been answered.
            if arrivals.fetch_add(1, Ordering::SeqCst) == 1 {
                arrived.set();
            }
            arrived.wait().await?;
            Ok(sum.get())
        });
        assert_eq!(sums.unwrap(), Some(vec![COUNT * (COUNT - 1) / 2; 2]));
    }
}

#[test]
fn a_finishing_scope_finishes_what_it_has_others_do() {
    with_other(async |_, other| {
        let begun = flag();
        let tell = begun.clone();
        let ended = task_group(async |tg| -> Result<&str> {
            let child = tg.spawn_on(other, async move || {
                set(&tell);
                finishing().await?;
                Ok("in good order")
            });
            until(|| is_set(&begun)).await;
            tg.finish(LONG);
            Ok(child.await?)
        })
        .await?;
        assert_eq!(ended, Some("in good order"));
        Ok(())
    });
}

#[test]
fn a_broadcast_reaches_all_cores() {
    for backend in test_backends() {
        let over = Event::new();
        let ended =
            Builder::new().backend(backend).run_on_cores(3, async |core: &Core| -> Result<Vec<usize>> {
                if core.index() != 1 {
                    over.wait().await?;
                    return Ok(Vec::new());
                }
                let all = core
                    .broadcast(async |core: &Core| -> Result<usize> {
                        assert_eq!(Core::current().as_ref(), Some(core));
                        Ok(core.index() * 10)
                    })
                    .await;
                let failed = core
                    .broadcast(async |core: &Core| -> Result<()> {
                        if core.index() == 2 { Err(Error::WouldBlock) } else { forever().await }
                    })
                    .await;
                assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::WouldBlock)));
                over.set();
                Ok(all?)
            });
        assert_eq!(ended.unwrap().unwrap()[1], [0, 10, 20]);
    }
}

#[test]
fn each_core_has_a_value_of_its_own() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    // Neither `Send` nor `Sync`.
    struct Own(Rc<RefCell<Vec<usize>>>);
    impl Drop for Own {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    static OWN: PerCore<Own> = PerCore::new(|| {
        MADE.fetch_add(1, Ordering::SeqCst);
        Own(Rc::default())
    });
    for backend in test_backends() {
        MADE.store(0, Ordering::SeqCst);
        DROPPED.store(0, Ordering::SeqCst);
        let over = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Ok(over.wait().await?);
            }
            for number in 0..3 {
                for core in core.all() {
                    OWN.on(&core, move |own| own.0.borrow_mut().push(number)).await?;
                }
            }
            OWN.here().0.borrow_mut().push(9);
            let all = OWN.on_each(core, |own| own.0.borrow().clone()).await?;
            assert_eq!(all, [vec![0, 1, 2, 9], vec![0, 1, 2]]);
            over.set();
            Ok(())
        });
        assert!(ended.unwrap().is_some());
        assert_eq!((MADE.load(Ordering::SeqCst), DROPPED.load(Ordering::SeqCst)), (2, 2));
    }
}

#[test]
fn a_panic_that_nobody_waits_for_ends_all_cores_with_its_cause() {
    for backend in test_backends() {
        let heard = Mutex::new(None);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 1 {
                    return forever().await;
                }
                let begun = flag();
                let tell = begun.clone();
                let other = core.all().nth(1).unwrap();
                let mut call = Box::pin(other.run(async move || {
                    set(&tell);
                    sleep_forever().await;
                    panic!("after all");
                }));
                assert!(poll_once(call.as_mut()).is_pending());
                until(|| is_set(&begun)).await;
                drop(call);
                let ended = forever().await;
                *heard.lock().unwrap() = current_cancel_reason();
                ended
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"after all"));
        let reason = heard.into_inner().unwrap().unwrap();
        assert_eq!(reason.kind(), ReasonKind::SiblingFailed);
        assert_eq!(reason.message(), Some("core 1 panicked: after all"));
    }
}

#[test]
fn a_core_that_fails_tells_the_others_why_and_waits_for_what_it_was_asked_for() {
    for backend in test_backends() {
        let cleaned = flag();
        let heard = Mutex::new(None);
        let begun = Arc::new(Event::new());
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                begun.wait().await?;
                return Err(Error::WouldBlock);
            }
            let other = core.all().nth(1).unwrap();
            let (tell, noted) = (begun.clone(), cleaned.clone());
            let ended = task_group(async |tg| -> Result<()> {
                tg.spawn_on(&other, async move || -> Result<()> {
                    tell.set();
                    let ended = forever().await;
                    shield(sleep(Duration::from_millis(2))).await?;
                    set(&noted);
                    ended
                });
                Ok(())
            })
            .await;
            *heard.lock().unwrap() = current_cancel_reason();
            assert!(is_set(&cleaned));
            ended?;
            Ok(())
        });
        // The cancellation of the child is none of the errors.
        assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        let reason = heard.into_inner().unwrap().unwrap();
        assert_eq!(reason.message(), Some("core 1 failed: cannot be done without waiting"));
    }
}

struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

#[test]
fn destructors_that_panic_end_the_program_in_order() {
    for backend in test_backends() {
        for way in 0..4 {
            let begun = flag();
            let tell = begun.clone();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                    if core.index() == 1 {
                        return forever().await;
                    }
                    let other = core.all().nth(1).unwrap();
                    let bomb = Bomb("a destructor");
                    match way {
                        // Of what was captured, there.
                        0 => other.run(async move || drop(bomb)).await?,
                        // Of the value, here.
                        1 => drop(other.run(async move || bomb).await?),
                        // Of the value, which nobody waits for, there.
                        2 => {
                            let tell = tell.clone();
                            let mut call = Box::pin(other.run(async move || {
                                set(&tell);
                                sleep_forever().await;
                                bomb
                            }));
                            assert!(poll_once(call.as_mut()).is_pending());
                            until(|| is_set(&begun)).await;
                            drop(call);
                        }
                        // Of what was captured and is refused.
                        _ => {
                            let scope = CancelScope::new();
                            scope.cancel();
                            scope.run(async || other.run(async move || drop(bomb)).await).await?;
                        }
                    }
                    forever().await
                })
            }));
            let payload = panicked.unwrap_err();
            assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("a destructor"), "{way}");
        }
    }
}

#[test]
fn a_request_that_is_left_in_a_run_that_fails_is_dropped_and_answered() {
    for backend in test_backends() {
        let (tell, told) = mpsc::channel();
        let told = Mutex::new(told);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 1 {
                    // Its thread is blocked until a request is there, and panics without having looked at it.
                    told.lock().unwrap().recv_timeout(LONG).unwrap();
                    let _second = Bomb("a second one");
                    panic!("a first one");
                }
                let other = core.all().nth(1).unwrap();
                let mut calls: Vec<_> =
                    (0..10).map(|number| Box::pin(other.run(async move || number))).collect();
                for call in &mut calls {
                    assert!(poll_once(call.as_mut()).is_pending());
                }
                tell.send(()).unwrap();
                for call in calls {
                    // Begun in a cancelled scope, or cancelled here.
                    let ended = call.await;
                    assert!(matches!(ended, Ok(_) | Err(Error::Cancelled(_))), "{ended:?}");
                }
                forever().await
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"a first one"));
    }
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

#[cfg(target_os = "linux")]
#[test]
fn a_core_says_how_busy_it_is() {
    with_other(async |core, other| {
        let enough = flag();
        let told = enough.clone();
        task_group(async |tg| -> Result<()> {
            // It keeps its whole thread busy.
            tg.spawn_on(other, async move || {
                while !is_set(&told) {
                    std::hint::spin_loop();
                }
                Ok(())
            });
            // However little of a processor it gets.
            until(|| other.utilisation() > 2.0 * core.utilisation()).await;
            assert!((0.0..=1.0).contains(&other.utilisation()));
            set(&enough);
            Ok(())
        })
        .await?;
        until(|| other.utilisation() < 0.2).await;
        Ok(())
    });
}
