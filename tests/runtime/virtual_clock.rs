//! Runs with a virtual clock: time passes only when nothing else can happen, and then at once.

use crate::peers::assert_receives;
use anyio::{
    Builder, CancelScope, Clock, Error, Path, Result, cross, current_effective_deadline, current_time,
    fail_after, fs, lowlevel, move_on_after, move_on_at,
    net::{TcpListener, TcpStream},
    process::{self, Command, Stdio},
    shield, sleep, sleep_forever, sleep_until,
    streams::memory,
    sync::Event,
    task_group,
    testing::{test_backends, wait_all_tasks_blocked},
    to_thread,
};
use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    rc::Rc,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

async fn connection() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

#[anyio::test(clock = "virtual")]
async fn hours_pass_exactly_and_at_once() -> Result<()> {
    let (begun, real) = (current_time(), Instant::now());
    for duration in [Duration::from_nanos(1), Duration::from_micros(3), HOUR, 1000 * 24 * HOUR] {
        let before = current_time();
        sleep(duration).await?;
        assert_eq!(current_time() - before, duration);
    }
    sleep_until(begun + 10_000 * 24 * HOUR).await?;
    assert_eq!(current_time(), begun + 10_000 * 24 * HOUR);
    assert!(real.elapsed() < 60 * SECOND);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_program_that_can_go_on_takes_no_time() -> Result<()> {
    let before = current_time();
    let (sender, receiver) = memory::channel(1);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            for n in 0..1000 {
                sender.send(n).await?;
                lowlevel::checkpoint().await?;
            }
            anyio::Ok(())
        });
        while receiver.receive().await?.is_some() {}
        Ok(())
    })
    .await?;
    assert_eq!(current_time(), before);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn sleepers_wake_in_the_order_of_their_moments() -> Result<()> {
    let (begun, woken) = (current_time(), RefCell::new(Vec::new()));
    task_group(async |tg| -> Result<()> {
        let woken = &woken;
        for minutes in [50u32, 7, 90, 1, 30] {
            tg.start_soon(async move {
                for round in 1..=2 {
                    sleep(minutes * 60 * SECOND).await?;
                    woken.borrow_mut().push((current_time() - begun, minutes, round));
                }
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    let woken = woken.into_inner();
    assert!(woken.is_sorted(), "{woken:?}");
    for (at, minutes, round) in woken {
        assert_eq!(at, round * minutes * 60 * SECOND);
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn time_limits_of_hours_cost_no_real_time() -> Result<()> {
    let before = current_time();
    let failed: Result<()> = fail_after(5 * HOUR, forever()).await;
    assert!(matches!(failed, Err(Error::TimedOut(_))));
    assert_eq!(current_time() - before, 5 * HOUR);
    assert_eq!(move_on_after(HOUR, forever()).await?, None);
    assert_eq!(move_on_at(current_time() + HOUR, forever()).await?, None);
    assert_eq!(current_time() - before, 7 * HOUR);
    assert_eq!(move_on_after(HOUR, async { anyio::Ok(sleep(HOUR / 2).await?) }).await?, Some(()));
    assert_eq!(current_time() - before, 7 * HOUR + HOUR / 2);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn of_nested_deadlines_the_earliest_counts() -> Result<()> {
    let before = current_time();
    let outer = move_on_after(2 * HOUR, async {
        assert_eq!(current_effective_deadline()?, Some(before + 2 * HOUR));
        // The inner one is earlier, then later than what is left of the outer one.
        assert_eq!(move_on_after(HOUR, forever()).await?, None);
        assert_eq!(current_time() - before, HOUR);
        move_on_after(3 * HOUR, forever()).await
    });
    assert_eq!(outer.await?, None);
    assert_eq!(current_time() - before, 2 * HOUR);
    let shielded = move_on_after(HOUR, async {
        shield(sleep(2 * HOUR)).await?;
        forever().await
    });
    assert_eq!(shielded.await?, None);
    assert_eq!(current_time() - before, 4 * HOUR);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_deadline_can_be_moved() -> Result<()> {
    let before = current_time();
    let scope = CancelScope::new();
    scope.set_deadline(Some(before + HOUR));
    let ended = scope
        .run(async || {
            sleep(HOUR / 2).await?;
            scope.set_deadline(Some(before + 3 * HOUR));
            sleep(HOUR).await?;
            assert_eq!(current_time() - before, HOUR + HOUR / 2);
            scope.set_deadline(Some(current_time()));
            forever().await
        })
        .await?;
    assert_eq!(ended, None);
    assert_eq!(current_time() - before, HOUR + HOUR / 2);
    Ok(())
}

/// Nanoseconds in 64 bits are 584 years.
#[anyio::test(clock = "virtual")]
async fn thousands_of_years_pass_exactly_and_in_order() -> Result<()> {
    let year = HOUR * 8766;
    let before = current_time();
    task_group(async |tg| -> Result<()> {
        for years in [100, 290, 300, 580, 590, 1000, 1001, 100_000] {
            tg.start_soon(async move {
                let span = year * years + Duration::from_nanos(years.into());
                sleep(span).await?;
                assert_eq!(current_time() - before, span);
                // From there on others wait, too.
                assert!(move_on_after(year, sleep(2 * year)).await?.is_none());
                assert_eq!(current_time() - before, span + year);
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    let far = current_time() + 900 * year;
    let told = move_on_at(far, async { anyio::Ok(current_effective_deadline()?) }).await?;
    assert_eq!(told, Some(Some(far)));
    let late = fail_after(700 * year, async { anyio::Ok(sleep(701 * year).await?) }).await;
    assert!(matches!(late, Err(Error::TimedOut(_))));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_cancelled_sleep_takes_no_time() -> Result<()> {
    let before = current_time();
    task_group(async |tg| -> Result<()> {
        let sleeping = tg.start_soon(async { anyio::Ok(sleep(HOUR).await?) });
        wait_all_tasks_blocked().await?;
        sleeping.cancel();
        assert!(sleeping.await.is_err());
        Ok(())
    })
    .await?;
    assert_eq!(current_time(), before);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn who_waits_for_all_others_to_wait_comes_before_the_jump() -> Result<()> {
    let before = current_time();
    task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async { anyio::Ok(sleep(HOUR).await?) });
        }
        for _ in 0..10 {
            wait_all_tasks_blocked().await?;
            assert_eq!(current_time(), before);
        }
        Ok(())
    })
    .await?;
    assert_eq!(current_time() - before, HOUR);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn functions_in_threads_take_no_virtual_time() -> Result<()> {
    let before = current_time();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { anyio::Ok(sleep(HOUR).await?) });
        let value = fail_after(SECOND * 60, async {
            to_thread::run_sync(|| {
                std::thread::sleep(Duration::from_millis(40));
                7
            })
            .await
        });
        assert_eq!(value.await?, 7);
        assert_eq!(current_time(), before);
        Ok(())
    })
    .await?;
    assert_eq!(current_time() - before, HOUR);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_function_in_a_thread_that_waits_for_a_sleeper_gets_its_answer() -> Result<()> {
    let (before, real) = (current_time(), Instant::now());
    let (sender, receiver) = mpsc::channel();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            sleep(Duration::from_millis(20)).await?;
            sender.send(1).unwrap();
            anyio::Ok(())
        });
        assert_eq!(to_thread::run_sync(move || receiver.recv()).await?, Ok(1));
        Ok(())
    })
    .await?;
    // Held back for the length of the jump, and no longer.
    assert!(real.elapsed() >= Duration::from_millis(20));
    assert_eq!(current_time() - before, Duration::from_millis(20));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn an_abandoned_function_holds_nothing_back() -> Result<()> {
    let before = current_time();
    let (sender, receiver) = mpsc::channel::<()>();
    task_group(async |tg| -> Result<()> {
        let call =
            tg.start_soon(
                async move { to_thread::run_sync(move || receiver.recv()).abandon_on_cancel().await },
            );
        wait_all_tasks_blocked().await?;
        call.cancel();
        assert!(call.await.is_err());
        sleep(HOUR).await?;
        Ok(())
    })
    .await?;
    assert_eq!(current_time() - before, HOUR);
    drop(sender);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_goes_through_sockets_within_the_program_takes_no_virtual_time() -> Result<()> {
    let before = current_time();
    let (client, server) = connection().await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            while let Some(chunk) = server.receive().await? {
                server.send(chunk).await?;
            }
            anyio::Ok(())
        });
        for _ in 0..200 {
            fail_after(SECOND, async {
                client.send("ping").await?;
                assert_receives!(client, "ping");
                anyio::Ok(())
            })
            .await?;
        }
        client.close().await
    })
    .await?;
    assert_eq!(current_time(), before);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn much_that_is_sent_to_a_slow_reader_arrives() -> Result<()> {
    let (client, server) = connection().await?;
    const LENGTH: usize = 8 << 20;
    let before = current_time();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            client.send(vec![1; LENGTH]).await?;
            client.close().await
        });
        let mut received = 0;
        while let Some(chunk) = server.receive().await? {
            if received == 0 {
                sleep(HOUR).await?;
            }
            received += chunk.len();
        }
        assert_eq!(received, LENGTH);
        Ok(())
    })
    .await?;
    assert_eq!(current_time() - before, HOUR);
    Ok(())
}

#[anyio::test(clock = "virtual", autojump_threshold_ms = 1)]
async fn idle_accepts_and_receives_do_not_hold_time_back() -> Result<()> {
    let (before, real) = (current_time(), Instant::now());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (client, server) = connection().await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            listener.accept().await?;
            anyio::Ok(())
        });
        for _ in 0..24 {
            assert!(move_on_after(HOUR, server.receive()).await?.is_none());
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(current_time() - before, 24 * HOUR);
    assert!(real.elapsed() < 60 * SECOND);
    client.send("still open").await?;
    assert_receives!(server, "still open");
    Ok(())
}

#[anyio::test(clock = "virtual", autojump_threshold_ms = 3_600_000)]
async fn a_receive_for_which_nobody_waits_does_not_hold_time_back() -> Result<()> {
    let (_client, server) = connection().await?;
    // Waits without a time, so that nothing has to be held back.
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { scope.run(async || server.receive().await.map(drop)).await.map(drop) });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        Ok(())
    })
    .await?;
    let before = current_time();
    sleep(1000 * HOUR).await?;
    assert_eq!(current_time() - before, 1000 * HOUR);
    Ok(())
}

#[test]
fn the_threshold_is_the_real_time_that_others_have() {
    for backend in test_backends() {
        // Connects to this process, so nobody has to wait for a run that may not begin.
        let received = |threshold, answer: fn(std::net::TcpStream)| {
            let builder = Builder::new().backend(backend).clock(Clock::Virtual).autojump_threshold(threshold);
            let received = builder.run(async || {
                let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
                let stream = TcpStream::connect(listener.local_addr()?).await?;
                let (peer, _) = listener.accept()?;
                let answering = std::thread::spawn(move || answer(peer));
                let before = current_time();
                let received = move_on_after(HOUR, stream.receive()).await?.flatten();
                anyio::Ok((received.map(|chunk| chunk.to_vec()), current_time() - before, answering))
            });
            let (received, passed, answering) = received.unwrap().unwrap();
            answering.join().unwrap();
            (received, passed)
        };
        let late = received(HOUR, |mut peer| {
            std::thread::sleep(Duration::from_millis(30));
            peer.write_all(b"late").unwrap();
        });
        assert_eq!(late, (Some(b"late".to_vec()), Duration::ZERO));
        let never = received(Duration::ZERO, |mut peer| {
            // Until the other side has gone.
            let _ = peer.read(&mut [0]);
        });
        assert_eq!(never, (None, HOUR));
    }
}

#[anyio::test(clock = "virtual")]
async fn files_take_no_virtual_time() -> Result<()> {
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let before = current_time();
    fail_after(SECOND, async {
        let path: Path = folder.path().join("file");
        for round in 0..20 {
            fs::write(&path, vec![round; 100_000]).await?;
            assert_eq!(fs::read(&path).await?, vec![round; 100_000]);
        }
        anyio::Ok(())
    })
    .await?;
    assert_eq!(current_time(), before);
    folder.close().await
}

#[anyio::test(clock = "virtual")]
async fn processes_take_no_virtual_time() -> Result<()> {
    let before = current_time();
    let completed = fail_after(60 * SECOND, async {
        anyio::Ok(process::run(["sh", "-c", "sleep 0.05; echo done"]).await?)
    });
    assert_eq!(completed.await?.stdout.unwrap(), b"done\n".to_vec());
    assert_eq!(current_time(), before);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_process_that_waits_for_a_sleeper_gets_its_answer() -> Result<()> {
    let before = current_time();
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            sleep(Duration::from_millis(20)).await?;
            stdin.send("hello").await?;
            stdin.close().await
        });
        assert_receives!(stdout, "hello");
        Ok(())
    })
    .await?;
    assert!(cat.wait().await?.success());
    assert_eq!(current_time() - before, Duration::from_millis(20));
    // It has ended and was reaped, so it holds nothing back.
    sleep(HOUR).await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn an_ended_process_that_was_not_waited_for_holds_nothing_back() -> Result<()> {
    let mut echo = Command::new("echo").arg("x").stdout(Stdio::piped()).spawn()?;
    let stdout = echo.stdout.take().unwrap();
    while stdout.receive().await?.is_some() {}
    // Its pipe is closed shortly before it has ended; real time may pass for that.
    sleep(HOUR).await?;
    assert!(echo.wait().await?.success());
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn other_threads_are_waited_for_where_there_is_no_time_to_pass() -> Result<()> {
    let before = current_time();
    let event = Arc::new(cross::Event::new());
    let setter = event.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        setter.set();
    });
    event.wait().await?;
    thread.join().unwrap();
    assert_eq!(current_time(), before);
    Ok(())
}

#[test]
fn each_run_begins_its_own_time_with_the_real_one() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).clock(Clock::Virtual);
        for _ in 0..2 {
            let real = Instant::now();
            let begun = builder.run(async || {
                let begun = current_time();
                sleep(24 * HOUR).await.unwrap();
                begun
            });
            let begun = begun.unwrap();
            assert!(begun >= real && begun <= Instant::now());
        }
    }
    assert!(current_time() <= Instant::now());
}

#[anyio::test]
async fn without_being_asked_for_the_clock_is_real() -> Result<()> {
    let before = Instant::now();
    sleep(Duration::from_millis(5)).await?;
    assert!(before.elapsed() >= Duration::from_millis(5));
    assert!(current_time() >= before + Duration::from_millis(5) && current_time() <= Instant::now());
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn polling_in_intervals_sees_every_interval() -> Result<()> {
    let done = Rc::new(Event::new());
    let ticks = RefCell::new(0);
    task_group(async |tg| -> Result<()> {
        let event = done.clone();
        tg.start_soon(async move {
            sleep(HOUR).await?;
            event.set();
            anyio::Ok(())
        });
        while move_on_after(SECOND, done.wait()).await?.is_none() {
            *ticks.borrow_mut() += 1;
        }
        Ok(())
    })
    .await?;
    let ticks = ticks.into_inner();
    assert!(ticks == 3599 || ticks == 3600, "{ticks}");
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn ten_thousand_sleepers_wake_at_their_very_moments() -> Result<()> {
    let begun = current_time();
    let mut state = 1_u64;
    task_group(async |tg| -> Result<()> {
        for _ in 0..10_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // From nanoseconds to months.
            let nap = Duration::from_nanos(1 + (state >> 11 >> (state % 48)));
            tg.start_soon(async move {
                sleep(nap).await?;
                assert_eq!(current_time() - begun, nap);
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn each_core_has_a_virtual_clock_of_its_own() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).clock(Clock::Virtual);
        let (sender, receiver) = cross::channel(1);
        let slept = builder.run_on_cores(2, async |core: &anyio::Core| -> Result<Duration> {
            let before = current_time();
            if core.index() == 0 {
                sleep(HOUR).await?;
                sender.send(7).await?;
            } else {
                // The sender's hour is not the receiver's.
                assert_eq!(receiver.receive().await?, Some(7));
            }
            Ok(current_time() - before)
        });
        assert_eq!(slept.unwrap(), Some(vec![HOUR, Duration::ZERO]));
    }
}

#[test]
fn timers_that_are_due_within_the_slack_share_a_wake_up_and_none_is_early() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).clock(Clock::Virtual);
        let ends = builder.timer_slack(Duration::from_millis(10)).run(async || {
            let (begun, ends) = (current_time(), RefCell::new(Vec::new()));
            let seen = &ends;
            task_group(async |tg| -> Result<()> {
                for due in [1, 4, 11, 12, 30] {
                    tg.start_soon(async move {
                        sleep(Duration::from_millis(due)).await?;
                        seen.borrow_mut().push((due, (current_time() - begun).as_millis()));
                        anyio::Ok(())
                    });
                }
                Ok(())
            })
            .await
            .unwrap();
            ends.into_inner()
        });
        assert_eq!(ends.unwrap(), [(1, 11), (4, 11), (11, 11), (12, 22), (30, 40)]);
    }
}

#[test]
fn a_time_limit_may_pass_later_by_the_slack() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend).clock(Clock::Virtual).timer_slack(SECOND);
        let (ended, took) = builder
            .run(async || {
                let begun = current_time();
                (move_on_after(SECOND, forever()).await, current_time() - begun)
            })
            .unwrap();
        assert_eq!((ended.unwrap(), took), (None, 2 * SECOND));
    }
}
