//! Finishing: nothing new starts, what is busy goes on, and what takes too long is cancelled.

use crate::assert_receives::assert_receives;
use anyio::{
    Builder, CancelAware, CancelScope, Clock, Error, ErrorGroup, ReasonKind, Result, TaskStatus,
    current_cancel_reason, current_effective_deadline, current_time, finishing, gather, idle, lowlevel,
    move_on_after,
    net::{TcpListener, TcpStream, UnixListener},
    shield, sleep, sleep_forever,
    streams::{BoxedListener, Listener, MultiListener, Server, memory::channel},
    sync::Event,
    task_group,
    testing::{Deadlock, TaskKind, running_tasks, test_backends, wait_all_tasks_blocked},
};
use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(3600);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

#[anyio::test(clock = "virtual")]
async fn what_is_idle_ends_and_what_is_busy_goes_on() -> Result<()> {
    let (scope, begun, busy) = (CancelScope::new(), current_time(), Cell::new(false));
    let ended = scope
        .run(async || -> Result<()> {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    sleep(3 * SECOND).await?;
                    busy.set(true);
                    anyio::Ok(())
                });
                let waiting = tg.start_soon(async {
                    let ended = idle(forever()).await;
                    assert_eq!(current_time() - begun, SECOND);
                    assert!(ended.as_ref().is_err_and(|error| error.is_finishing() && !error.is_cancelled()));
                    ended
                });
                sleep(SECOND).await?;
                assert!(!scope.finish_called() && !lowlevel::is_finishing());
                scope.finish(10 * SECOND);
                assert!(scope.finish_called() && lowlevel::is_finishing() && !lowlevel::is_cancelled());
                waiting.wait().await?;
                assert_eq!(waiting.status(), TaskStatus::Cancelled);
                // It stays so, and nothing begins.
                let begins = Cell::new(false);
                let never = async {
                    lowlevel::checkpoint().await?;
                    begins.set(true);
                    anyio::Ok(())
                };
                assert!(matches!(idle(never).await, Err(Error::Finishing)));
                assert!(!begins.get());
                finishing().await?;
                idle(forever()).await
            })
            .await?;
            Ok(())
        })
        .await?;
    assert_eq!((ended, busy.get(), scope.cancelled_caught()), (None, true, true));
    assert_eq!(current_time() - begun, 3 * SECOND);
    assert!(!scope.cancel_called() && scope.reason().is_none());
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_takes_longer_than_the_grace_is_cancelled_as_finished() -> Result<()> {
    let (scope, begun) = (CancelScope::new(), current_time());
    let ended = scope
        .run(async || {
            scope.finish(10 * SECOND);
            // To say it again can only shorten the time.
            scope.finish(LONG);
            scope.finish(2 * SECOND);
            assert_eq!(current_effective_deadline()?, Some(begun + 2 * SECOND));
            let ended = forever().await;
            assert_eq!(current_cancel_reason().unwrap().kind(), ReasonKind::Finished);
            ended
        })
        .await?;
    assert_eq!((ended, current_time() - begun), (None, 2 * SECOND));
    let reason = scope.reason().unwrap();
    assert!(reason.to_string().contains("tests/structure/finishing.rs"), "{reason}");
    assert_eq!(scope.deadline(), None);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_deadline_that_comes_first_is_the_reason() -> Result<()> {
    for (timeout, grace, kind) in
        [(1, 5, ReasonKind::Deadline), (5, 1, ReasonKind::Finished), (5, 0, ReasonKind::Finished)]
    {
        let scope = CancelScope::new().with_timeout(timeout * SECOND);
        let begun = current_time();
        let ended = scope
            .run(async || {
                lowlevel::checkpoint().await?;
                scope.finish(grace * SECOND);
                forever().await
            })
            .await?;
        assert_eq!((ended, scope.reason().unwrap().kind()), (None, kind));
        assert_eq!(current_time() - begun, timeout.min(grace) * SECOND);
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_scope_may_be_told_before_its_body_begins() -> Result<()> {
    let scope = CancelScope::new();
    scope.finish(2 * SECOND);
    sleep(5 * SECOND).await?;
    let begun = current_time();
    let ended = scope
        .run(async || {
            assert!(matches!(idle(forever()).await, Err(Error::Finishing)));
            sleep(SECOND).await?;
            forever().await
        })
        .await?;
    assert_eq!((ended, current_time() - begun), (None, 2 * SECOND));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_shield_keeps_finishing_off_until_it_goes() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new().shielded());
    let begun = current_time();
    let ended = outer
        .run(async || -> Result<()> {
            outer.finish(10 * SECOND);
            shield(async {
                assert!(!lowlevel::is_finishing());
                assert!(move_on_after(SECOND, idle(forever())).await?.is_none());
                anyio::Ok(())
            })
            .await?;
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    sleep(SECOND).await?;
                    inner.set_shield(false);
                    anyio::Ok(())
                });
                let ended = inner.run(async || idle(forever()).await).await;
                assert!(matches!(ended, Err(Error::Finishing)));
                assert_eq!(current_time() - begun, 2 * SECOND);
                ended.map(|_| ())
            })
            .await?;
            Ok(())
        })
        .await?;
    assert_eq!(ended, None);
    // One that is told itself hears of it under its shield, too.
    let shielded = CancelScope::new().shielded();
    shielded.finish(SECOND);
    assert_eq!(shielded.run(async || idle(forever()).await).await?, None);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn time_limits_work_as_ever_in_a_scope_that_finishes() -> Result<()> {
    let scope = CancelScope::new();
    let given = scope
        .run(async || -> Result<_> {
            scope.finish(LONG);
            let limited = move_on_after(SECOND, forever()).await?;
            let own = CancelScope::new();
            let cancelled = own
                .run(async || {
                    own.cancel();
                    forever().await
                })
                .await?;
            Ok((limited, cancelled))
        })
        .await?;
    assert_eq!(given, Some((None, None)));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_group_finishes_with_the_values_that_there_are() -> Result<()> {
    let done = RefCell::new(Vec::new());
    let (sender, receiver) = channel(10);
    for message in 0..3 {
        sender.send(message).await?;
    }
    let value = task_group(async |tg| -> Result<&str> {
        tg.start_soon(async {
            while let Some(message) = idle(receiver.receive()).await? {
                sleep(SECOND).await?;
                done.borrow_mut().push(message);
            }
            anyio::Ok(())
        });
        sleep(SECOND / 2).await?;
        tg.finish(LONG);
        Ok("all is well")
    })
    .await?;
    assert_eq!((value, &*done.borrow()), (Some("all is well"), &vec![0]));
    // What was not begun is still there.
    assert_eq!(receiver.receive().await?, Some(1));

    let begun = current_time();
    let nothing = task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Ok(sleep(SECOND).await?) });
        tg.finish(LONG);
        idle(forever()).await
    })
    .await?;
    assert_eq!((nothing, current_time() - begun), (None, SECOND));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn finishing_passes_through_groups_and_combinators_to_the_scope_that_was_told() -> Result<()> {
    let (scope, busy) = (CancelScope::new(), Cell::new(0));
    let one = async |is_idle: bool| -> Result<()> {
        if is_idle {
            return idle(forever()).await;
        }
        sleep(SECOND).await?;
        busy.set(busy.get() + 1);
        Ok(())
    };
    let ended = scope
        .run(async || -> Result<()> {
            scope.finish(LONG);
            let gathered = gather([one(true), one(false), one(true)]).await;
            assert!(gathered.as_ref().is_err_and(ErrorGroup::is_finishing));
            assert_eq!(busy.get(), 1);
            let grouped: Result<_, ErrorGroup<Error>> = task_group(async |tg| {
                tg.start_soon(one(false));
                one(true).await
            })
            .await;
            assert!(grouped.as_ref().is_err_and(ErrorGroup::is_finishing));
            assert!(matches!(grouped.map_err(Error::from), Err(Error::Finishing)));
            assert_eq!(busy.get(), 2);
            gathered?;
            Ok(())
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn who_waits_for_a_task_that_has_finished_cancels_nobody() -> Result<()> {
    let busy = Cell::new(false);
    let ended = task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            sleep(SECOND).await?;
            busy.set(true);
            anyio::Ok(())
        });
        let consumer = tg.start_soon(async { idle(forever()).await });
        tg.finish(LONG);
        consumer.await?;
        unreachable!("it gives no value");
    })
    .await?;
    assert_eq!((ended, busy.get()), (None, true));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn an_error_while_finishing_cancels_the_others_and_comes_out() -> Result<()> {
    let failed: Result<_, ErrorGroup<Error>> = task_group(async |tg| -> Result<()> {
        tg.start_soon(async { forever().await });
        tg.start_soon(async {
            sleep(SECOND).await?;
            Err::<(), _>(Error::WouldBlock)
        });
        tg.finish(LONG);
        idle(forever()).await
    })
    .await;
    assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::WouldBlock)));
    Ok(())
}

#[anyio::test]
async fn finishing_that_nobody_was_told_of_is_an_error_like_others() -> Result<()> {
    let failed: Result<_, ErrorGroup<Error>> = task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Err::<(), _>(Error::Finishing) });
        forever().await
    })
    .await;
    let failed = failed.unwrap_err();
    assert!(!failed.is_finishing() && matches!(failed.into_single(), Ok(Error::Finishing)));
    Ok(())
}

#[anyio::test]
async fn other_threads_can_tell_a_scope_to_finish() -> Result<()> {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || {
            let remote = scope.remote();
            std::thread::spawn(move || assert!(remote.finish(LONG)));
            idle(forever()).await
        })
        .await?;
    assert_eq!((ended, scope.finish_called(), scope.cancel_called()), (None, true, false));
    Ok(())
}

#[anyio::test]
async fn tasks_show_that_they_are_finishing() -> Result<()> {
    let (event, scope) = (&Event::new(), &CancelScope::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            scope.run(async || -> Result<()> { Ok(event.wait().await?) }).await.map(drop)
        });
        tg.start_soon(async { Ok(event.wait().await?) });
        wait_all_tasks_blocked().await?;
        scope.finish(LONG);
        let children = running_tasks().into_iter().filter(|task| task.kind == TaskKind::Child);
        let mut told: Vec<_> = children.map(|task| (task.is_finishing, task.to_string())).collect();
        told.sort();
        assert!(
            !told[0].0 && told[1].0 && told[1].1.ends_with(", finishing, waiting for an event"),
            "{told:?}"
        );
        assert!(!told[0].1.contains("finishing, "));
        event.set();
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn a_deadlock_tells_which_tasks_are_finishing() {
    for backend in test_backends() {
        let error = Builder::new()
            .backend(backend)
            .clock(Clock::Virtual)
            .run(async || {
                let scope = CancelScope::new();
                scope
                    .run(async || -> Result<()> {
                        scope.finish(Duration::MAX);
                        Ok(Event::new().wait().await?)
                    })
                    .await
            })
            .unwrap_err();
        let deadlock = error.get_ref().and_then(|inner| inner.downcast_ref::<Deadlock>()).unwrap();
        assert!(deadlock.tasks()[0].is_finishing && deadlock.to_string().contains("finishing"), "{deadlock}");
    }
}

#[anyio::test]
async fn a_listener_accepts_no_more_and_keeps_what_it_has() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let ended = scope.run(async || listener.accept().await.map(drop)).await;
            assert!(matches!(ended, Ok(None)), "{ended:?}");
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        scope.finish(LONG);
        Ok(())
    })
    .await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let scope = CancelScope::new();
    scope.finish(LONG);
    let refused = scope.run(async || listener.accept().await).await;
    assert!(matches!(refused, Ok(None)));
    listener.accept().await?.send("late").await?;
    assert_receives!(client, "late");
    Ok(())
}

/// Serves a client that is busy when the scope is told to finish, and one that is idle.
async fn serves_to_the_end<L>(listener: L, connect: impl AsyncFn() -> Result<TcpStream>) -> Result<()>
where
    L: Listener<Stream = TcpStream>,
{
    let (scope, begun, release) = (CancelScope::new(), Event::new(), Event::new());
    let server = Server::new();
    let answer = async |stream: TcpStream| -> Result<()> {
        while let Some(request) = idle(stream.receive()).await? {
            if request.starts_with(b"w") {
                begun.set();
                release.wait().await?;
            }
            stream.send(request).await?;
        }
        stream.close().await
    };
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let served =
                scope.run(async || -> Result<_> { Ok(server.serve(&listener, answer).await?) }).await?;
            // Served to the end, and not given up.
            assert!(matches!(served, Some(None)));
            anyio::Ok(())
        });
        let (busy, idle) = (connect().await?, connect().await?);
        idle.send("hello").await?;
        assert_receives!(idle, "hello");
        busy.send("w").await?;
        begun.wait().await?;
        scope.finish(LONG);
        assert!(idle.receive().await?.is_none());
        assert!(!serving.is_finished());
        release.set();
        assert_receives!(busy, "w");
        assert!(busy.receive().await?.is_none());
        Ok(serving.await?)
    })
    .await?;
    assert_eq!(server.statistics().connections, 0);
    Ok(())
}

#[anyio::test]
async fn serving_ends_when_the_busy_connections_have() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    serves_to_the_end(listener, async || TcpStream::connect(address).await).await
}

#[anyio::test]
async fn several_listeners_and_boxed_ones_finish_alike() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let several = MultiListener::new([listener, TcpListener::bind("127.0.0.1:0").await?]);
    serves_to_the_end(several, async || TcpStream::connect(address).await).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    serves_to_the_end(BoxedListener::new(listener), async || TcpStream::connect(address).await).await
}

#[anyio::test]
async fn a_server_without_room_finishes_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = UnixListener::bind(folder.path().join("socket")).await?;
    let scope = CancelScope::new();
    let server = Server::<Error>::new().max_connections(0);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let served =
                scope.run(async || -> Result<_> { Ok(server.serve(&listener, async |_| Ok(())).await?) });
            assert!(matches!(served.await, Ok(Some(None))));
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        scope.finish(LONG);
        Ok(())
    })
    .await?;
    Ok(())
}
