//! Cutting bodies short everywhere, and what is said of those that do not bear it.

use anyio::{
    Builder, Result,
    lowlevel::{cancel_shielded_checkpoint, checkpoint},
    net::TcpListener,
    shield, sleep,
    streams::memory,
    sync::{Event, Lock},
    task_group,
    testing::{Everywhere, cancel_everywhere},
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    rc::Rc,
    task::Poll,
    time::Duration,
};

/// The text with which a future panics.
async fn panic_of<T>(future: impl Future<Output = T>) -> String {
    let caught = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(future)).await;
    let payload = caught.err().expect("it panics");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[anyio::test]
async fn each_checkpoint_is_tried_in_each_way_in_which_it_differs() {
    let report = cancel_everywhere(
        Everywhere::cancel(),
        async || (),
        async |()| {
            // Two checkpoints: before it yields and when it goes on.
            checkpoint().await?;
            // One, at which it waits.
            sleep(Duration::from_micros(10)).await?;
            shield(async { checkpoint().await }).await?;
            cancel_shielded_checkpoint().await;
            Lock::new(()).acquire().await.map(drop)?;
            anyio::Ok(())
        },
        async |(), _| (),
    )
    .await;
    assert_eq!((report.checkpoints, report.survived), (4, 4), "{report}");
    assert_eq!((report.in_flight, report.completed, report.runs), (1, 1, 8), "{report}");
}

#[anyio::test]
async fn children_are_cancelled_together_alone_and_in_pairs() {
    let report = cancel_everywhere(
        Everywhere::cancel().pairs(5, 7),
        async || (),
        async |()| {
            let (sender, receiver) = memory::channel::<u32>(0);
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for item in 0..2 {
                        sender.send(item).await?;
                    }
                    drop(sender);
                    anyio::Ok(())
                });
                while receiver.receive().await?.is_some() {}
                Ok(())
            })
            .await
        },
        async |(), _| (),
    )
    .await;
    assert_eq!(report.survived, report.checkpoints, "{report}");
    assert!(report.of_children >= 4 && report.of_pairs > 0 && report.in_flight > 0, "{report}");
}

#[anyio::test]
async fn what_is_waited_for_is_under_way_or_has_come() {
    let seen = RefCell::new(Vec::new());
    let report = cancel_everywhere(
        Everywhere::cancel(),
        async || Rc::new(Event::new()),
        async |event| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    sleep(Duration::from_micros(50)).await?;
                    event.set();
                    anyio::Ok(())
                });
                event.wait().await?;
                Ok(())
            })
            .await
        },
        async |event, value| seen.borrow_mut().push((event.is_set(), value.is_some())),
    )
    .await;
    assert_eq!(report.survived, 2, "{report}");
    let seen = seen.into_inner();
    // The event had been set, and the wait for it gave that, although everything was cancelled at this moment.
    assert!(seen[1..].contains(&(true, true)), "{seen:?}");
    assert!(seen.contains(&(false, false)), "{seen:?}");
}

#[anyio::test(calm = "each of its runs has to have the same checkpoints")]
async fn sockets_are_cancelled_before_within_and_after_the_kernels_work() {
    let report = cancel_everywhere(
        Everywhere::cancel(),
        async || TcpListener::bind("127.0.0.1:0").await.unwrap(),
        async |listener| {
            let address = listener.local_addr().unwrap();
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async move {
                    let stream = anyio::net::TcpStream::connect(address).await?;
                    stream.send("hello").await?;
                    stream.close().await
                });
                let stream = listener.accept().await?;
                while stream.receive().await?.is_some() {}
                stream.close().await
            })
            .await
        },
        async |listener, _| listener.close().await.unwrap(),
    )
    .await;
    assert_eq!(report.survived, report.checkpoints, "{report}");
    assert!(report.checkpoints >= 5 && report.in_flight > 0 && report.completed > 0, "{report}");
}

#[anyio::test]
async fn a_future_is_dropped_each_time_that_it_waits() {
    let report = cancel_everywhere(
        Everywhere::drop(),
        async || (),
        async |()| {
            for _ in 0..3 {
                sleep(Duration::from_micros(20)).await?;
            }
            shield(sleep(Duration::from_micros(20))).await?;
            anyio::Ok(())
        },
        async |(), value| assert!(value.is_none() || value == Some(())),
    )
    .await;
    assert_eq!(
        (report.checkpoints, report.survived, report.in_flight, report.completed),
        (4, 4, 4, 4),
        "{report}"
    );
}

#[anyio::test(clock = "virtual")]
async fn a_deadline_passes_at_each_checkpoint() {
    let reasons = Cell::new(0);
    let report = cancel_everywhere(
        Everywhere::timeout(),
        async || (),
        async |()| {
            let result = sleep(Duration::from_secs(3600)).await;
            if anyio::current_cancel_reason()
                .is_some_and(|reason| reason.kind() == anyio::ReasonKind::Deadline)
            {
                reasons.set(reasons.get() + 1);
            }
            Ok::<_, anyio::Error>(result?)
        },
        async |(), _| (),
    )
    .await;
    assert_eq!(report.survived, 1, "{report}");
    assert!(reasons.get() >= 3, "{report}");
}

#[anyio::test(cancel = "everywhere", drop = "everywhere", timeout = "everywhere")]
async fn a_test_is_cut_short_everywhere() -> Result<()> {
    let lock = Lock::new(1);
    let mut guard = lock.acquire().await?;
    *guard += 1;
    sleep(Duration::from_millis(1)).await?;
    *guard += 1;
    Ok(())
}

#[anyio::test(cancel = "everywhere")]
async fn a_test_without_result_too() {
    let _ = sleep(Duration::from_micros(1)).await;
}

#[anyio::test]
async fn a_failure_says_where_and_how_to_have_it_again() {
    let text = panic_of(cancel_everywhere(
        Everywhere::cancel(),
        async || Cell::new(0),
        async |balance| {
            checkpoint().await?;
            balance.set(balance.get() - 10);
            sleep(Duration::from_micros(10)).await?;
            balance.set(balance.get() + 10);
            anyio::Ok(())
        },
        async |balance, _| assert_eq!(balance.get(), 0, "money is lost"),
    ))
    .await;
    assert!(
        text.contains("the body cancelled at checkpoint 3 of 3, before anything was begun: the check fails"),
        "{text}"
    );
    assert!(text.contains("money is lost"), "{text}");
    assert!(text.contains("task:      the one that runs the body, at its checkpoint 3"), "{text}");
    assert!(text.contains("waits for: a moment") && text.contains("scopes:    that of the body"), "{text}");
    assert!(text.contains("again:     ANYIO_EVERYWHERE=cancel:3:before"), "{text}");
    // How much is known of the place depends on how the tests were built.
    let place = text.lines().find(|line| line.contains("await:")).unwrap();
    let is_named = place.contains("a_failure_says_where_and_how_to_have_it_again");
    let has_line =
        place.contains("cancel_everywhere/mechanism.rs:") || place.contains("with debug information");
    assert!(place.contains("has no symbols") || is_named && has_line, "{place}");
}

#[anyio::test]
async fn a_failure_in_a_child_names_the_child_and_what_it_waits_for() {
    let text = panic_of(cancel_everywhere(
        Everywhere::cancel(),
        async || Cell::new(false),
        async |sleeping| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    let before = sleeping.replace(true);
                    assert!(!before);
                    sleep(Duration::from_micros(50)).await?;
                    sleeping.set(false);
                    anyio::Ok(())
                })
                .set_name("sleeper");
                Ok(())
            })
            .await
        },
        async |sleeping, _| assert!(!sleeping.get()),
    ))
    .await;
    assert!(
        text.contains("\"sleeper\", the 1. that was started at tests/cancel_everywhere/mechanism.rs:"),
        "{text}"
    );
    assert!(text.contains("scopes:    the task's own in one in that of the body"), "{text}");
}

#[test]
fn what_is_left_is_found() {
    for backend in anyio::testing::test_backends() {
        let kept = RefCell::new(Vec::new());
        let limited = || Everywhere::cancel().limit(Duration::from_millis(100));
        let run = Builder::new().backend(backend).run(async || {
            let text = panic_of(cancel_everywhere(
                limited(),
                async || (),
                async |()| {
                    if checkpoint().await.is_err() {
                        let mut sleeping = Box::pin(anyio::sleep_forever());
                        shield(poll_fn(|cx| {
                            assert!(sleeping.as_mut().poll(cx).is_pending());
                            Poll::Ready(())
                        }))
                        .await;
                        std::mem::forget(sleeping);
                    }
                    anyio::Ok(())
                },
                async |(), _| (),
            ))
            .await;
            assert!(text.contains("something is left of it"), "{text}");
            let text = panic_of(cancel_everywhere(
                limited(),
                async || (),
                async |()| {
                    if checkpoint().await.is_err() {
                        // No other has its name: who looks beside this sees it go.
                        kept.borrow_mut().push(std::io::pipe()?.0);
                    }
                    anyio::Ok(())
                },
                async |(), _| (),
            ))
            .await;
            assert!(text.contains("each time a descriptor is left") && text.contains("pipe:"), "{text}");
        });
        run.unwrap();
    }
}

#[anyio::test]
async fn a_body_that_swallows_its_cancellation_and_hangs_is_found() {
    let text = panic_of(cancel_everywhere(
        Everywhere::cancel().limit(Duration::from_millis(50)),
        async || (),
        async |()| {
            if checkpoint().await.is_err() {
                shield(anyio::sleep_forever()).await;
            }
            anyio::Ok(())
        },
        async |(), _| (),
    ))
    .await;
    assert!(text.contains("the body does not end"), "{text}");
}

#[anyio::test(calm = "with chaos checkpoints may differ", ordered = "so they may when tasks are shuffled")]
async fn a_body_whose_checkpoints_differ_is_told_so() {
    let runs = Cell::new(0);
    let body = async |(): &mut ()| {
        runs.set(runs.get() + 1);
        checkpoint().await?;
        if runs.get() <= 2 {
            sleep(Duration::from_micros(1)).await?;
        }
        anyio::Ok(())
    };
    let text = panic_of(cancel_everywhere(Everywhere::cancel(), async || (), body, async |(), _| ())).await;
    assert!(text.contains("does not come to the same checkpoints in each run: the first has 3"), "{text}");
    assert!(text.contains("the first that is missing is number 3") && text.contains("a moment"), "{text}");
    runs.set(0);
    let options = Everywhere::cancel().allow_differences();
    let report = cancel_everywhere(options, async || (), body, async |(), _| ()).await;
    assert_eq!((report.survived, report.checkpoints), (2, 3), "{report}");
    assert!(report.differences.is_some());
}

#[anyio::test]
async fn a_body_without_checkpoints_and_one_that_fails_by_itself_are_refused() {
    let nothing = async |(): &mut ()| anyio::Ok(());
    let text =
        panic_of(cancel_everywhere(Everywhere::cancel(), async || (), nothing, async |(), _| ())).await;
    assert!(text.contains("has no checkpoints") || text.is_empty(), "{text}");
    let fails = async |(): &mut ()| Err::<(), _>(anyio::Error::WouldBlock);
    let text = panic_of(cancel_everywhere(Everywhere::cancel(), async || (), fails, async |(), _| ())).await;
    assert!(text.contains("fails also when it is left alone"), "{text}");
}
