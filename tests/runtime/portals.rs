//! Tasks that threads start in a run.

use anyio::{
    Builder, Error, Result, Started,
    from_thread::{BlockingPortal, BlockingPortalProvider, blocking_portal, start_blocking_portal},
    lowlevel, sleep_forever,
    testing::test_backends,
    to_thread,
};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
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
