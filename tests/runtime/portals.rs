//! Tasks that threads start in a run.

use anyio::{
    Builder, Error, Result, Started,
    from_thread::{BlockingPortal, BlockingPortalProvider, blocking_portal, start_blocking_portal},
    lowlevel, sleep_forever,
    testing::test_backends,
    to_thread,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    task::Poll,
    thread,
    time::Duration,
};

/// Runs a test from outside of any run, with a portal on each back end.
fn with_portals(test: impl Fn(&BlockingPortal)) {
    for backend in test_backends() {
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        test(&portal);
        portal.close().unwrap();
    }
}

#[test]
fn a_call_gives_the_value_from_another_thread() {
    with_portals(|portal| {
        let there = portal.call(async || thread::current().id()).unwrap();
        assert_ne!(there, thread::current().id());
        let failed = portal.call(async || Err::<(), _>(Error::WouldBlock)).unwrap();
        assert!(matches!(failed, Err(Error::WouldBlock)));
        assert_eq!(portal.call(async || 1).unwrap(), 1, "an error of a task does not end the portal");
    });
}

#[test]
fn a_panic_comes_to_whoever_waits_and_not_to_the_portal() {
    with_portals(|portal| {
        let asked = catch_unwind(AssertUnwindSafe(|| portal.call::<()>(async || panic!("in the portal"))));
        assert_eq!(*asked.unwrap_err().downcast::<&str>().unwrap(), "in the portal");
        assert_eq!(portal.call(async || 1).unwrap(), 1);
    });
}

#[test]
fn tasks_run_side_by_side() {
    with_portals(|portal| {
        let event = Arc::new(anyio::cross::Event::new());
        let waiting = event.clone();
        let first = portal.start_task_soon(async move || waiting.wait().await).unwrap();
        assert!(!first.is_done());
        let first = first.wait_timeout(Duration::from_millis(1)).unwrap().unwrap_err();
        portal.call(async move || event.set()).unwrap();
        first.wait().unwrap().unwrap();
    });
}

#[test]
fn cancelling_reaches_a_task_that_waits() {
    with_portals(|portal| {
        let (begun, has_begun) = mpsc::channel();
        let task = portal
            .start_task_soon(async move || {
                begun.send(()).unwrap();
                sleep_forever().await
            })
            .unwrap();
        has_begun.recv().unwrap();
        task.cancel();
        // The task itself tells that it was cancelled.
        let _cancelled: anyio::Cancelled = task.wait().unwrap();
    });
}

#[test]
fn a_task_that_is_cancelled_before_it_begins_never_does() {
    with_portals(|portal| {
        let (hold, held) = mpsc::channel::<()>();
        let (busy, is_busy) = mpsc::channel();
        let blocking = portal
            .start_task_soon(async move || {
                busy.send(()).unwrap();
                held.recv().unwrap();
            })
            .unwrap();
        is_busy.recv().unwrap();
        let given_up = portal.start_task_soon(async || panic!("it is not wanted")).unwrap();
        given_up.cancel();
        hold.send(()).unwrap();
        blocking.wait().unwrap();
        assert!(matches!(given_up.wait(), Err::<(), _>(Error::BrokenResource(_))));
    });
}

#[test]
fn a_task_says_when_it_is_ready() {
    with_portals(|portal| {
        let (port, task) = portal
            .start_task(async |started: Started<u16>| -> Result<&str> {
                lowlevel::checkpoint().await?;
                started.set(8080);
                Err(sleep_forever().await.into())
            })
            .unwrap();
        assert_eq!(port, 8080);
        task.cancel();
        assert!(matches!(task.wait().unwrap(), Err(Error::Cancelled(_))));
    });
}

#[test]
fn that_a_task_is_ready_may_be_said_by_another() {
    thread_local! {
        static HANDED_ON: Cell<Option<Started<u16>>> = const { Cell::new(None) };
    }
    with_portals(|portal| {
        let (begun, has_begun) = mpsc::channel();
        let (port, task) = thread::scope(|scope| {
            scope.spawn(move || {
                has_begun.recv().unwrap();
                portal.call(async || HANDED_ON.take().unwrap().set(8080)).unwrap();
            });
            // Nothing wakes this task when the other says it.
            portal
                .start_task(async move |started: Started<u16>| -> Result<()> {
                    HANDED_ON.set(Some(started));
                    begun.send(()).unwrap();
                    Err(sleep_forever().await.into())
                })
                .unwrap()
        });
        assert_eq!(port, 8080);
        task.cancel();
        assert!(task.wait().unwrap().is_err());

        // What is said when the task has ended is too late.
        let ended = portal.start_task(async |started: Started<u16>| {
            HANDED_ON.set(Some(started));
            Err::<(), _>(Error::WouldBlock)
        });
        assert!(matches!(ended, Err(Error::WouldBlock)));
        portal.call(async || HANDED_ON.take().unwrap().set(1)).unwrap();
    });
}

#[anyio::test]
async fn a_task_that_is_lost_before_it_begins_has_ended() -> Result<()> {
    let shown = Cell::new(None);
    let mut block = Box::pin(blocking_portal(async |portal| -> Result<()> {
        shown.set(Some(portal.clone()));
        portal.sleep_until_stopped().await?;
        Ok(())
    }));
    assert!(poll_fn(|cx| Poll::Ready(block.as_mut().poll(cx).is_pending())).await);
    let portal = shown.take().unwrap();
    let [lost, given_up] = [(), ()].map(|()| portal.start_task_soon(async || ()).unwrap());
    given_up.cancel();
    assert!(!lost.is_done());
    drop(block);
    for task in [lost, given_up] {
        assert!(task.is_done());
        assert!(matches!(task.wait(), Err(Error::BrokenResource(_))));
    }
    Ok(())
}

#[test]
fn a_task_that_fails_before_it_is_ready_fails_to_start() {
    with_portals(|portal| {
        let failed =
            portal.start_task(async |_started: Started<u16>| Err::<(), _>(Error::WouldBlock)).unwrap_err();
        assert!(matches!(failed, Error::WouldBlock));
        let never = catch_unwind(AssertUnwindSafe(|| {
            portal.start_task(async |started: Started<u16>| {
                drop(started);
                anyio::Ok(())
            })
        }));
        assert!(never.is_err(), "a task that ends well without saying so is a mistake");
    });
}

#[test]
fn a_stopped_portal_refuses_and_awaits() {
    for backend in test_backends() {
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        let event = Arc::new(anyio::cross::Event::new());
        let waiting = event.clone();
        let task = portal.start_task_soon(async move || waiting.wait().await).unwrap();
        portal.stop(false);
        assert!(portal.is_stopped());
        assert!(matches!(portal.call(async || ()), Err(Error::ClosedResource)));
        assert!(!task.is_done());
        event.set();
        portal.close().unwrap();
        assert!(task.is_done());
        task.wait().unwrap().unwrap();
    }
}

#[test]
fn stopping_with_cancellation_ends_what_waits() {
    for backend in test_backends() {
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        let task = portal.start_task_soon(async || sleep_forever().await).unwrap();
        portal.stop(true);
        portal.close().unwrap();
        // It has answered, or it never began.
        drop(task.wait());
    }
}

#[test]
fn a_task_can_be_cancelled_while_its_portal_stops() {
    for backend in test_backends() {
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        let task = portal.start_task_soon(async || sleep_forever().await).unwrap();
        portal.stop(false);
        task.cancel();
        portal.close().unwrap();
        assert!(task.is_done());
    }
}

#[test]
fn leaving_by_a_panic_cancels_what_is_left() {
    for backend in test_backends() {
        let (ended, has_ended) = mpsc::channel();
        let left = catch_unwind(AssertUnwindSafe(|| {
            let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
            let (begun, has_begun) = mpsc::channel();
            let _task = portal
                .start_task_soon(async move || {
                    begun.send(()).unwrap();
                    let _cancelled = sleep_forever().await;
                    ended.send(()).unwrap();
                })
                .unwrap();
            has_begun.recv().unwrap();
            panic!("outside");
        }));
        assert!(left.is_err());
        has_ended.recv().unwrap();
    }
}

#[test]
fn a_panic_that_nobody_waits_for_ends_the_portal() {
    for backend in test_backends() {
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        let (dropped, is_dropped) = mpsc::channel();
        let task = portal.start_task_soon::<()>(async move || {
            is_dropped.recv().unwrap();
            panic!("unheard")
        });
        drop(task.unwrap());
        dropped.send(()).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| portal.close())).is_err());
    }
}

#[test]
fn a_resource_is_opened_used_and_closed_in_one_task() {
    with_portals(|portal| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (opened, closed) = (log.clone(), log.clone());
        let resource = portal
            .open_resource(
                async move || {
                    opened.lock().unwrap().push("opened".to_owned());
                    // It belongs to that thread alone.
                    anyio::Ok(Rc::new(RefCell::new(0)))
                },
                async move |number: Rc<RefCell<i32>>| -> Result<()> {
                    lowlevel::checkpoint().await?;
                    closed.lock().unwrap().push(format!("closed with {}", number.borrow()));
                    Ok(())
                },
            )
            .unwrap();
        for _ in 0..3 {
            resource
                .call(async |number: &mut Rc<RefCell<i32>>| {
                    lowlevel::checkpoint().await.unwrap();
                    *number.borrow_mut() += 1;
                })
                .unwrap();
        }
        resource.close().unwrap();
        assert_eq!(*log.lock().unwrap(), ["opened", "closed with 3"]);
    });
}

#[test]
fn a_resource_is_closed_also_when_its_portal_is_cancelled() {
    for backend in test_backends() {
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        let (closed, has_closed) = mpsc::channel();
        let resource = portal
            .open_resource(
                async || anyio::Ok(()),
                async move |()| -> Result<()> {
                    lowlevel::checkpoint().await?;
                    closed.send(()).unwrap();
                    Ok(())
                },
            )
            .unwrap();
        portal.stop(true);
        has_closed.recv().unwrap();
        assert!(resource.call(async |()| ()).is_err());
        resource.close().unwrap();
        portal.close().unwrap();
    }
}

#[test]
fn what_fails_to_open_is_no_resource() {
    with_portals(|portal| {
        let refused = portal.open_resource(async || Err::<(), _>(Error::WouldBlock), async |()| Ok(()));
        assert!(matches!(refused, Err(Error::WouldBlock)));
    });
}

#[test]
fn a_provider_shares_one_portal_and_ends_it_with_the_last() {
    let provider = BlockingPortalProvider::new(Builder::new().backend(test_backends()[0]));
    let thread_of = |portal: &BlockingPortal| portal.call(async || thread::current().id()).unwrap();
    let first = provider.acquire().unwrap();
    let threads: Vec<_> = thread::scope(|threads| {
        let users: Vec<_> =
            (0..4).map(|_| threads.spawn(|| thread_of(&provider.acquire().unwrap()))).collect();
        users.into_iter().map(|user| user.join().unwrap()).collect()
    });
    assert!(threads.iter().all(|&thread| thread == thread_of(&first)));
    let portal = BlockingPortal::clone(&first);
    drop(first);
    assert!(portal.is_stopped());
    assert_ne!(thread_of(&provider.acquire().unwrap()), threads[0]);
}

#[anyio::test]
async fn a_portal_within_a_run_ends_with_its_body() -> Result<()> {
    let portal = blocking_portal(async |portal| -> Result<BlockingPortal> {
        let calling = portal.clone();
        assert_eq!(to_thread::run_sync(move || calling.call(async || 42)).await??, 42);
        Ok(portal.clone())
    })
    .await?
    .unwrap();
    assert!(matches!(portal.start_task_soon(async || ()), Err(Error::ClosedResource)));
    Ok(())
}

#[anyio::test]
async fn a_body_that_fails_cancels_the_tasks_of_its_portal() -> Result<()> {
    let mut task = None;
    let failed = blocking_portal(async |portal| -> Result<()> {
        let calling = portal.clone();
        let (_, waiting) = to_thread::run_sync(move || {
            calling.start_task(async |started: Started<()>| -> Result<()> {
                started.set(());
                Err(sleep_forever().await.into())
            })
        })
        .await??;
        task = Some(waiting);
        Err(Error::WouldBlock)
    })
    .await;
    assert!(failed.is_err());
    assert!(matches!(task.unwrap().wait()?, Err(Error::Cancelled(_))));
    Ok(())
}

#[anyio::test]
async fn calling_a_portal_on_its_own_thread_is_refused() -> Result<()> {
    blocking_portal(async |portal| -> Result<()> {
        let refused = catch_unwind(AssertUnwindSafe(|| portal.call(async || ())));
        assert!(refused.is_err());
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn waiting_on_the_portals_own_thread_is_refused_where_it_would_be_for_ever() {
    with_portals(|portal| {
        let there = portal.clone();
        let refused = portal.call(async move || {
            let task = there.start_task_soon(async || 1).unwrap();
            let task = task.wait_timeout(Duration::ZERO).unwrap().unwrap_err();
            let refused = catch_unwind(AssertUnwindSafe(|| task.wait())).is_err();
            let ended = there.start_task_soon(async || 2).unwrap();
            while !ended.is_done() {
                lowlevel::checkpoint().await.unwrap();
            }
            assert_eq!(ended.wait().unwrap(), 2, "there is nothing to wait for");
            refused
        });
        assert!(refused.unwrap());
    });
}

#[test]
fn a_resource_that_is_closed_on_its_own_thread_is_closed_without_waiting() {
    with_portals(|portal| {
        let (closed, is_closed) = mpsc::channel();
        let resource = |number: i32| {
            let closed = closed.clone();
            let close = async move |number| -> Result<()> {
                closed.send(number).unwrap();
                Ok(())
            };
            portal.open_resource(async move || anyio::Ok(number), close).unwrap()
        };
        let (dropped, asked) = (resource(1), resource(2));
        portal.call(async move || drop(dropped)).unwrap();
        assert_eq!(is_closed.recv().unwrap(), 1);
        let refused = portal.call(async move || catch_unwind(AssertUnwindSafe(|| asked.close())).is_err());
        assert!(refused.unwrap(), "it would wait for itself");
        assert_eq!(is_closed.recv().unwrap(), 2);
    });
}

#[test]
fn a_portal_that_is_dropped_by_a_thread_for_which_it_waits_ends_by_itself() {
    for backend in test_backends() {
        let provider = BlockingPortalProvider::new(Builder::new().backend(backend));
        let lease = provider.acquire().unwrap();
        let portal = BlockingPortal::clone(&lease);
        let dropping = portal.start_task_soon(async move || to_thread::run_sync(move || drop(lease)).await);
        dropping.unwrap().wait().unwrap().unwrap();
        assert!(portal.is_stopped());
        let portal = start_blocking_portal(&Builder::new().backend(backend)).unwrap();
        let there = BlockingPortal::clone(&portal);
        let closing = there.start_task_soon(async move || to_thread::run_sync(move || portal.close()).await);
        closing.unwrap().wait().unwrap().unwrap().unwrap();
    }
}

#[test]
fn a_portal_that_was_stopped_is_not_lent_again() {
    let provider = BlockingPortalProvider::new(Builder::new().backend(test_backends()[0]));
    let first = provider.acquire().unwrap();
    first.stop(false);
    let second = provider.acquire().unwrap();
    assert_eq!(second.call(async || 1).unwrap(), 1);
    drop(first);
    let third = provider.acquire().unwrap();
    let thread_of = |portal: &BlockingPortal| portal.call(async || thread::current().id()).unwrap();
    assert_eq!(thread_of(&second), thread_of(&third));
}

#[test]
fn nobody_waits_for_a_portal_that_was_forgotten_when_its_run_is_over() {
    for backend in test_backends() {
        let (told, is_told) = mpsc::channel();
        let waiting = Builder::new().backend(backend).run(async || {
            let mut portal = Box::pin(blocking_portal(async |portal| -> Result<()> {
                told.send(portal.clone()).unwrap();
                portal.sleep_until_stopped().await?;
                Ok(())
            }));
            poll_fn(|cx| Poll::Ready(portal.as_mut().poll(cx).is_ready())).await;
            let there: BlockingPortal = is_told.recv().unwrap();
            let task = there.start_task_soon(async || sleep_forever().await).unwrap();
            let waiting = thread::spawn(move || task.wait());
            poll_fn(|cx| Poll::Ready(portal.as_mut().poll(cx).is_ready())).await;
            std::mem::forget(portal);
            (there, waiting)
        });
        let (portal, waiting) = waiting.unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::BrokenResource(_))));
        assert!(portal.is_stopped());
        let late = thread::spawn(move || portal.call(async || ())).join().unwrap();
        assert!(matches!(late, Err(Error::ClosedResource)));
    }
}

#[anyio::test]
async fn all_that_a_portal_has_not_begun_goes_although_destructors_panic() -> Result<()> {
    struct Bomb(Arc<Mutex<u32>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
            panic!("a destructor");
        }
    }
    let dropped = Arc::new(Mutex::new(0));
    let (told, is_told) = mpsc::channel();
    let mut portal = Box::pin(blocking_portal(async |portal| -> Result<()> {
        told.send(portal.clone()).unwrap();
        portal.sleep_until_stopped().await?;
        Ok(())
    }));
    poll_fn(|cx| Poll::Ready(portal.as_mut().poll(cx).is_ready())).await;
    let there = is_told.recv().unwrap();
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let bomb = Bomb(dropped.clone());
            there.start_task_soon(async move || drop(bomb)).unwrap()
        })
        .collect();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(portal))).is_err());
    assert_eq!(*dropped.lock().unwrap(), 3);
    for task in tasks {
        assert!(matches!(task.wait(), Err(Error::BrokenResource(_))));
    }
    Ok(())
}

#[test]
fn a_resource_stays_although_a_call_panics_and_a_panic_of_its_closing_is_not_the_second() {
    with_portals(|portal| {
        let open = || {
            portal.open_resource(async || anyio::Ok(1), async |_: i32| -> Result<()> { panic!("closing") })
        };
        let resource = open().unwrap();
        let asked =
            catch_unwind(AssertUnwindSafe(|| resource.call::<()>(async |_: &mut i32| panic!("a call"))));
        assert_eq!(*asked.unwrap_err().downcast::<&str>().unwrap(), "a call");
        assert_eq!(resource.call(async |number: &mut i32| *number).unwrap(), 1);
        let closed = catch_unwind(AssertUnwindSafe(|| drop(resource)));
        assert_eq!(*closed.unwrap_err().downcast::<&str>().unwrap(), "closing");
        let left = catch_unwind(AssertUnwindSafe(|| {
            let _resource = open().unwrap();
            panic!("outside");
        }));
        assert_eq!(*left.unwrap_err().downcast::<&str>().unwrap(), "outside");
    });
}
