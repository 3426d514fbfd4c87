//! Processes that are closed, cancelled or dropped, and none is left behind.

use crate::observing::{is_alive, state, until};
use crate::talking::{line_of, talkative};
use crate::temporary::temporary_path;
use anyio::{
    CancelScope, Error, Result, as_completed, lowlevel, move_on_after,
    process::{self, Command},
    signal::Signal,
    task_group,
    testing::test_backends,
};
use std::{
    cell::Cell,
    fs,
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

#[anyio::test]
async fn closing_at_once_is_no_error_while_the_child_writes() -> Result<()> {
    for _ in 0..20 {
        process::open("echo one; echo two >&2; cat").await?.close().await?;
    }
    Ok(())
}

#[anyio::test]
async fn closing_does_not_hang_on_a_child_that_is_stuck_in_a_full_pipe() -> Result<()> {
    let process = process::open("head -c 10000000 /dev/zero").await?;
    let chunk = process.stdout.as_ref().unwrap().receive().await?;
    assert!(chunk.is_some());
    drop(chunk);
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_close_ends_the_process() -> Result<()> {
    let process = Command::new("sleep").arg("1000").spawn()?;
    let pid = process.pid();
    assert_eq!(move_on_after(Duration::from_millis(10), process.close()).await?, None);
    assert_eq!(state(pid), None);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_run_leaves_neither_child_nor_grandchild() -> Result<()> {
    let path = temporary_path();
    // The grandchild ignores the polite signal and keeps the outputs open; once with a child that ends, once not.
    for end in ["wait", "exit"] {
        let line = format!(
            "(trap '' TERM; sleep 1000) & echo $$ $! > {0}.new; mv {0}.new {0}; {end}",
            path.display()
        );
        let scope = CancelScope::new();
        let ended = task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                until(|| path.exists()).await?;
                scope.cancel();
                Ok(())
            });
            assert!(scope.run(async || process::run(line.as_str()).await).await?.is_none());
            Ok(())
        })
        .await?;
        assert_eq!(ended, Some(()));
        let numbers = fs::read_to_string(&path)?;
        fs::remove_file(&path)?;
        let (child, grandchild) = numbers.trim().split_once(' ').unwrap();
        assert_eq!(state(child.parse().unwrap()), None, "it is reaped before the cancellation goes on");
        let grandchild = grandchild.parse().unwrap();
        until(|| !is_alive(grandchild)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_cancelled_process_may_end_in_peace() -> Result<()> {
    let path = temporary_path();
    let line =
        format!("trap 'echo bye > {}; exit' TERM; echo ready; while :; do sleep 0.01; done", path.display());
    let scope = CancelScope::new();
    let result = scope
        .run(async || {
            process::with(&mut talkative(&line), async |process| {
                line_of(process).await?;
                scope.cancel();
                lowlevel::checkpoint().await.map_err(Error::from)
            })
            .await
        })
        .await?;
    assert_eq!(result, None);
    assert_eq!(fs::read_to_string(&path)?, "bye\n");
    fs::remove_file(path)?;
    Ok(())
}

#[anyio::test]
async fn a_process_that_ignores_the_polite_signal_is_killed_after_its_time() -> Result<()> {
    let mut command = talkative("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    let mut process = command.ending(Signal::SIGTERM, Duration::from_millis(50)).spawn()?;
    line_of(&process).await?;
    let began = Instant::now();
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));

    let mut command = talkative("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    let mut process = command.ending(Signal::SIGTERM, Duration::ZERO).spawn()?;
    line_of(&process).await?;
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[anyio::test]
async fn a_stopped_process_is_ended_too() -> Result<()> {
    let mut command = Command::new("sleep");
    let mut process = command.arg("1000").ending(Signal::SIGTERM, Duration::from_millis(50)).spawn()?;
    process.send_signal(Signal::SIGSTOP)?;
    let pid = process.pid();
    until(|| state(pid) == Some('T')).await?;
    assert_eq!(process.stop().await?.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[anyio::test]
async fn an_error_of_the_body_ends_the_process() -> Result<()> {
    let pid = Cell::new(0);
    let result = process::with(["sleep", "1000"], async |process| {
        pid.set(process.pid());
        Err::<(), _>(Error::WouldBlock)
    })
    .await;
    assert!(matches!(result, Err(Error::WouldBlock)));
    assert_eq!(state(pid.get()), None);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_scope_starts_no_process() -> Result<()> {
    let path = temporary_path();
    let touch = ["touch", path.to_str().unwrap()];
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || process::run(touch).await).await?.is_none());
    assert!(CancelScope::new().run(async || process::run(["true"]).await).await?.is_some());
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || process::open(touch).await.map(drop)).await?.is_none());
    assert!(!path.exists());
    Ok(())
}

#[anyio::test]
async fn a_dropped_process_is_killed_with_its_group_and_reaped() -> Result<()> {
    let process = talkative("sleep 1000 & echo $!; wait").spawn()?;
    let grandchild: u32 = line_of(&process).await?.parse().unwrap();
    let pid = process.pid();
    drop(process);
    until(|| state(pid).is_none() && !is_alive(grandchild)).await
}

#[anyio::test]
async fn a_dropped_run_kills_its_process() -> Result<()> {
    let path = temporary_path();
    let line = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 1000", path.display());
    as_completed([async { anyio::Ok(until(|| path.exists()).await?) }], async |mut first| {
        let mut running = Box::pin(process::run(line.as_str()));
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(running.as_mut().poll(cx).is_pending()));
        assert!(polled.await);
        first.next().await?;
        drop(running);
        anyio::Ok(())
    })
    .await?;
    let pid = fs::read_to_string(&path)?.trim().parse().unwrap();
    fs::remove_file(path)?;
    until(|| state(pid).is_none()).await
}

#[anyio::test]
async fn a_process_that_is_not_to_be_killed_goes_on_and_is_reaped() -> Result<()> {
    let mut command = talkative("echo ready; read line");
    let mut process = command.kill_on_drop(false).spawn()?;
    line_of(&process).await?;
    let (pid, stdin) = (process.pid(), process.stdin.take().unwrap());
    drop(process);
    lowlevel::checkpoint().await?;
    assert!(is_alive(pid));
    stdin.close().await?;
    until(|| state(pid).is_none()).await
}

#[test]
fn a_process_that_outlives_its_run_is_killed_when_it_is_dropped() {
    for backend in test_backends() {
        let builder = anyio::Builder::new().backend(backend);
        let process = builder.run(async || Command::new("sleep").arg("1000").spawn()).unwrap().unwrap();
        let pid = process.pid();
        assert!(is_alive(pid));
        drop(process);
        builder.run(async || until(|| state(pid).is_none()).await).unwrap().unwrap();
    }
}
