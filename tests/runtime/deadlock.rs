//! Runs with a virtual clock in which nothing can happen any more, and such in which something still can.

use anyio::{
    Builder, CancelScope, Clock, Interrupt, Result, cross, current_time, foreign, fs, lowlevel,
    move_on_after,
    net::{TcpListener, TcpStream},
    sleep, sleep_forever,
    streams::memory,
    sync::{Event, Lock, Semaphore},
    task_group,
    testing::{
        Deadlock, TaskKind, WaitReason, current_task, running_tasks, test_backends, wait_all_tasks_blocked,
    },
    to_thread,
};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    io,
    sync::mpsc,
    time::{Duration, Instant},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs a program that comes to a deadlock, on each back end.
fn deadlocks<T: std::fmt::Debug>(main: impl AsyncFn() -> T) -> Vec<Deadlock> {
    let on_each = test_backends().into_iter().map(|backend| {
        let builder = Builder::new()
            .backend(backend)
            .clock(Clock::Virtual)
            .interrupt(Interrupt::Cancel)
            .deadlock_timeout(Duration::from_millis(50));
        let error = builder.run(&main).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Deadlock);
        error.get_ref().and_then(|inner| inner.downcast_ref::<Deadlock>()).unwrap().clone()
    });
    on_each.collect()
}

fn waits(deadlock: &Deadlock) -> Vec<WaitReason> {
    deadlock.tasks().iter().flat_map(|task| task.waits.clone()).collect()
}

#[test]
fn tasks_that_wait_for_each_other_are_told_of() {
    let found = deadlocks(async || -> Result<()> {
        let (one, other) = (Lock::new(1), Lock::new(2));
        let both_hold = anyio::sync::Barrier::new(2);
        task_group(async |tg| -> Result<()> {
            for (name, first, second) in [("philosopher", &one, &other), ("sage", &other, &one)] {
                let both_hold = &both_hold;
                tg.start_soon(async move {
                    let _held = first.acquire().await?;
                    both_hold.wait().await?;
                    sleep(HOUR).await?;
                    let _both = second.acquire().await?;
                    anyio::Ok(())
                })
                .set_name(name);
            }
            Ok(())
        })
        .await?;
        Ok(())
    });
    for deadlock in found {
        assert!(deadlock.is_certain());
        let kinds: Vec<_> = deadlock.tasks().iter().map(|task| task.kind).collect();
        assert_eq!(kinds, [TaskKind::Main, TaskKind::Child, TaskKind::Child]);
        assert_eq!(waits(&deadlock), [WaitReason::TaskGroup, WaitReason::Lock, WaitReason::Lock]);
        let main = deadlock.tasks()[0].id;
        assert!(deadlock.tasks()[1..].iter().all(|task| task.parent == Some(main)));
        let place = deadlock.tasks()[1].location.unwrap();
        assert!(place.file().ends_with("deadlock.rs"));
        assert_eq!(
            deadlock.to_string(),
            format!(
                "deadlock: every task waits for what only another task could do\n  \
                 the main task, waiting for a task group\n    \
                 task \"philosopher\" started at {place}, waiting for a lock\n    \
                 task \"sage\" started at {place}, waiting for a lock"
            )
        );
    }
}

#[test]
fn each_kind_of_wait_has_its_name() {
    let found = deadlocks(async || -> Result<()> {
        let event = Event::new();
        let semaphore = Semaphore::new(0);
        let (sender, receiver) = memory::channel::<u8>(0);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { anyio::Ok(event.wait().await?) });
            tg.start_soon(async { anyio::Ok(semaphore.acquire().await.map(drop)?) });
            tg.start_soon(async { receiver.receive().await.map(drop) });
            tg.start_soon(async { Err::<(), anyio::Error>(sleep_forever().await.into()) });
            let first = tg.start_soon(async { anyio::Ok(event.wait().await?) });
            task_group(async |inner| -> Result<()> {
                let event = &event;
                inner.start_soon(async move {
                    // Both at once, in one task.
                    let (one, other) = futures::join!(event.wait(), event.wait());
                    one.and(other).map_err(anyio::Error::from)
                });
                first.await?;
                Ok(())
            })
            .await?;
            drop(sender);
            Ok(())
        })
        .await?;
        Ok(())
    });
    for deadlock in found {
        assert!(deadlock.is_certain());
        let mut seen = waits(&deadlock);
        for reason in [
            WaitReason::TaskGroup,
            WaitReason::TaskGroup,
            WaitReason::Event,
            WaitReason::Event,
            WaitReason::Event,
            WaitReason::Event,
            WaitReason::Semaphore,
            WaitReason::ChannelReceive,
            WaitReason::SleepForever,
            WaitReason::TaskEnd,
        ] {
            let place = seen.iter().position(|seen| *seen == reason);
            seen.remove(place.unwrap_or_else(|| panic!("{reason:?} is missing: {deadlock}")));
        }
        assert!(seen.is_empty(), "{seen:?}: {deadlock}");
        let text = deadlock.to_string();
        assert!(text.contains("    the body of the task group, waiting for a task group\n"), "{text}");
        assert!(text.contains("      the body of the task group, waiting for the end of a task\n"), "{text}");
        assert!(text.contains("waiting for an event (2 times)"), "{text}");
    }
}

#[test]
fn waits_behind_combinators_of_others_are_found_by_their_scope() {
    let found = deadlocks(async || -> Result<()> {
        let event = Event::new();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                use futures::{StreamExt, stream::FuturesUnordered};
                let mut waiting: FuturesUnordered<_> = (0..3).map(|_| event.wait()).collect();
                waiting.next().await.unwrap()?;
                anyio::Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(())
    });
    for deadlock in found {
        assert_eq!(deadlock.tasks()[1].waits, [WaitReason::Event; 3], "{deadlock}");
    }
}

#[test]
fn two_who_wait_for_the_others_first_word_are_told_of_after_a_while() {
    let found = deadlocks(async || -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let server = listener.accept().await?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { server.receive().await.map(drop) });
            client.receive().await.map(drop)
        })
        .await?;
        Ok(())
    });
    for deadlock in found {
        assert!(!deadlock.is_certain());
        let text = deadlock.to_string();
        assert!(
            text.starts_with(
                "deadlock: every task waits, none for a time, and nothing has come from outside\n"
            )
        );
        assert_eq!(
            waits(&deadlock),
            [WaitReason::TaskGroup, WaitReason::Receive, WaitReason::Receive],
            "{text}"
        );
    }
}

#[test]
fn futures_of_others_may_be_woken_by_others_for_a_while() {
    for wrapped in [false, true] {
        let found = deadlocks(async || -> Result<()> {
            if wrapped { Ok(foreign(pending()).await?) } else { pending().await }
        });
        for deadlock in found {
            assert!(!deadlock.is_certain());
            assert_eq!(waits(&deadlock), [WaitReason::Foreign]);
        }
    }
}

#[test]
fn a_deadlock_drops_what_the_program_holds() {
    struct Noted<'a>(&'a Cell<u32>);
    impl Drop for Noted<'_> {
        fn drop(&mut self) {
            assert!(lowlevel::current_token().is_some(), "dropped within the run");
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Cell::new(0);
    let found = deadlocks(async || {
        let _noted = Noted(&dropped);
        task_group(async |tg| -> Result<()> {
            let noted = Noted(&dropped);
            tg.start_soon(async move {
                let _noted = noted;
                Err::<(), anyio::Error>(sleep_forever().await.into())
            });
            Ok(())
        })
        .await
    });
    assert_eq!(dropped.get() as usize, 2 * found.len());
}

#[anyio::test(clock = "virtual")]
#[should_panic(
    expected = "deadlock: every task waits for what only another task could do\n  the main task, waiting for an event"
)]
async fn a_test_that_comes_to_a_deadlock_fails() {
    let _ = Event::new().wait().await;
}

#[anyio::test(clock = "virtual", deadlock_timeout_ms = 3_600_000)]
async fn other_threads_can_end_waits() -> Result<()> {
    let later = || std::thread::sleep(Duration::from_millis(20));
    // By a channel.
    let (sender, receiver) = cross::channel(1);
    let thread = std::thread::spawn(move || {
        later();
        sender.send_nowait(1).unwrap();
    });
    assert_eq!(receiver.receive().await?, Some(1));
    thread.join().unwrap();
    // By cancelling.
    let scope = CancelScope::new();
    let ended = scope
        .run(async || {
            let remote = scope.remote();
            std::thread::spawn(move || {
                later();
                remote.cancel();
            });
            Err::<(), anyio::Error>(sleep_forever().await.into())
        })
        .await?;
    assert_eq!(ended, None);
    // By a function that the run is given.
    thread_local!(static EVENT: std::rc::Rc<Event> = std::rc::Rc::new(Event::new()));
    let token = lowlevel::current_token().unwrap();
    let thread = std::thread::spawn(move || {
        later();
        token.run_soon(|| EVENT.with(|event| event.set()))
    });
    EVENT.with(|event| event.clone()).wait().await?;
    assert!(thread.join().unwrap());
    // By a future of others.
    let (sender, receiver) = futures::channel::oneshot::channel();
    let thread = std::thread::spawn(move || {
        later();
        sender.send(2).unwrap();
    });
    assert_eq!(receiver.await, Ok(2));
    thread.join().unwrap();
    Ok(())
}

#[anyio::test(clock = "virtual", deadlock_timeout_ms = 0, calm = "it allows nothing to be late")]
async fn what_is_sure_to_end_is_no_deadlock() -> Result<()> {
    to_thread::run_sync(|| std::thread::sleep(Duration::from_millis(20))).await?;
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    fs::write(folder.path().join("file"), vec![1; 1 << 20]).await?;
    folder.close().await?;
    assert!(anyio::process::run(["sleep", "0.02"]).await?.status.success());
    Ok(())
}

#[anyio::test(clock = "virtual", deadlock_timeout_ms = 3_600_000)]
async fn who_waits_for_a_thread_that_an_abandoned_function_has_is_not_lost() -> Result<()> {
    let limiter = std::rc::Rc::new(anyio::sync::CapacityLimiter::new(1));
    let (sender, receiver) = mpsc::channel::<()>();
    task_group(async |tg| -> Result<()> {
        let call = tg.start_soon(async {
            to_thread::run_sync(move || receiver.recv()).limiter(&limiter).abandon_on_cancel().await
        });
        wait_all_tasks_blocked().await?;
        call.cancel();
        assert!(call.await.is_err());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(sender);
        });
        to_thread::run_sync(|| ()).limiter(&limiter).await
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn who_waits_for_all_others_to_wait_can_end_a_deadlock() -> Result<()> {
    let before = current_time();
    let event = Event::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { anyio::Ok(event.wait().await?) });
        wait_all_tasks_blocked().await?;
        event.set();
        Ok(())
    })
    .await?;
    assert_eq!(current_time(), before);
    Ok(())
}

#[anyio::test]
async fn on_the_real_clock_nobody_is_given_up() -> Result<()> {
    let real = Instant::now();
    assert_eq!(
        move_on_after(Duration::from_millis(20), async { anyio::Ok(Event::new().wait().await?) }).await?,
        None
    );
    assert!(real.elapsed() >= Duration::from_millis(20));
    Ok(())
}

#[anyio::test]
async fn running_tasks_are_listed_with_parents_and_waits() -> Result<()> {
    let event = Event::new();
    assert_eq!(running_tasks().len(), 1);
    assert_eq!((current_task().kind, current_task().waits), (TaskKind::Main, vec![]));
    let seen = RefCell::new(None);
    task_group(async |tg| -> Result<()> {
        let body = current_task();
        assert_eq!(body.kind, TaskKind::GroupBody);
        tg.start_soon(async { anyio::Ok(event.wait().await?) }).set_name("waiting");
        tg.start_soon(async {
            *seen.borrow_mut() = Some(current_task());
            anyio::Ok(sleep(HOUR).await?)
        });
        wait_all_tasks_blocked().await?;
        let tasks = running_tasks();
        assert_eq!(tasks.len(), 4);
        assert_eq!((tasks[0].kind, &tasks[0].waits[..]), (TaskKind::Main, &[WaitReason::TaskGroup][..]));
        assert_eq!((tasks[1].id, &tasks[1].waits[..]), (body.id, &[][..]));
        assert!(tasks[1..].iter().all(|task| task.parent == Some(tasks[0].id)));
        assert_eq!(
            (tasks[2].name.as_deref(), &tasks[2].waits[..]),
            (Some("waiting"), &[WaitReason::Event][..])
        );
        assert_eq!(tasks[3].waits, [WaitReason::Sleep]);
        assert_eq!(seen.borrow().as_ref().map(|seen| (seen.id, seen.waits.len())), Some((tasks[3].id, 0)));
        event.set();
        // Woken, so it waits no more.
        assert!(running_tasks()[2].waits.is_empty());
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(running_tasks().len(), 1);
    Ok(())
}
