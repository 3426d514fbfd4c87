//! Waiting for the end of a process, and signals to it.

use crate::observing::is_alive;
use crate::talking::{line_of, talkative};
use anyio::{
    CancelScope, Result, lowlevel, move_on_after,
    process::{self, Process},
    signal::Signal,
    task_group,
};
use std::{cell::Cell, os::unix::process::ExitStatusExt, time::Duration};

#[anyio::test]
async fn many_tasks_wait_for_one_process() -> Result<()> {
    let process = process::open("read line; exit 7").await?;
    assert_eq!((process.returncode(), process.try_wait()?), (None, None));
    let waited = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        for _ in 0..5 {
            tg.start_soon(async {
                assert_eq!(process.wait().await?.code(), Some(7));
                waited.set(waited.get() + 1);
                Ok(())
            });
        }
        lowlevel::checkpoint().await?;
        process.stdin.as_ref().unwrap().send("\n").await
    })
    .await?;
    assert_eq!(waited.get(), 5);
    assert_eq!(process.wait().await?.code(), Some(7));
    assert_eq!(process.returncode(), Some(7));
    Ok(())
}

#[anyio::test]
async fn a_cancelled_wait_leaves_the_status_for_the_next() -> Result<()> {
    let process = process::open("read line; exit 7").await?;
    for _ in 0..10 {
        assert_eq!(move_on_after(Duration::from_millis(1), process.wait()).await?, None);
    }
    let scope = CancelScope::new();
    scope.cancel();
    assert_eq!(scope.run(async || process.wait().await).await?, None);
    process.stdin.as_ref().unwrap().send("\n").await?;
    assert_eq!(process.wait().await?.code(), Some(7));
    let cancelled = CancelScope::new();
    cancelled.cancel();
    assert_eq!(cancelled.run(async || process.wait().await).await?, None);
    Ok(())
}

#[anyio::test]
async fn a_process_is_terminated_killed_and_sent_signals() -> Result<()> {
    let trap = "trap 'exit 2' TERM; trap 'exit 3' USR1; echo ready; while :; do sleep 0.01; done";
    for (send, code) in [
        (Process::terminate as fn(&Process) -> Result<()>, Ok(2)),
        (|process: &Process| process.send_signal(Signal::SIGUSR1), Ok(3)),
        (Process::kill, Err(libc::SIGKILL)),
    ] {
        let (_, status) = process::with(&mut talkative(trap), async |process| {
            line_of(process).await?;
            send(process)
        })
        .await?;
        assert_eq!(status.code().ok_or(status.signal().unwrap_or(0)), code);
    }
    let process = process::open("true").await?;
    process.wait().await?;
    // Nobody gets these.
    process.terminate()?;
    process.kill()?;
    process.send_signal(Signal::SIGHUP)?;
    process.send_signal_to_group(Signal::SIGHUP)?;
    Ok(())
}

#[anyio::test]
async fn wait_returns_although_a_grandchild_keeps_the_output_open() -> Result<()> {
    let process = talkative("sleep 1000 & echo $!").spawn()?;
    let grandchild: u32 = line_of(&process).await?.parse().unwrap();
    assert!(process.wait().await?.success());
    assert!(is_alive(grandchild));
    process.close().await?;
    assert!(is_alive(grandchild), "a process that has ended by itself may leave others behind");
    // SAFETY: the number is that of the process just seen.
    unsafe { libc::kill(grandchild as i32, libc::SIGKILL) };
    Ok(())
}
