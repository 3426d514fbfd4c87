//! Standard streams of a running process.

use crate::{
    peers::assert_receives,
    talking::{line_of, talkative},
};
use anyio::{
    CancelScope, Error, Result, lowlevel, move_on_after,
    process::{self, Command, Stdio},
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{cell::Cell, os::unix::process::ExitStatusExt, time::Duration};

#[anyio::test]
async fn bytes_are_sent_and_received_while_the_process_runs() -> Result<()> {
    let process = process::open("cat").await?;
    let (stdin, stdout) = (process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap());
    stdin.send("hello").await?;
    let begun = stdout.receive_at_most(2).await?.unwrap();
    assert!("he".as_bytes().starts_with(&begun));
    assert_receives!(stdout, &"hello"[begun.len()..]);
    stdin.send(vec![1, 2, 3]).await?;
    let mut received = Vec::new();
    while received.len() < 3 {
        let (result, buffer) = stdout.receive_into(Vec::with_capacity(10)).await;
        assert!(result? == buffer.len() && !buffer.is_empty());
        received.extend(buffer);
    }
    assert_eq!(received, [1, 2, 3]);
    assert!(process.close().await?.success());
    Ok(())
}

/// Sends until nobody holds the other end. A child that another test has forked, and that has not yet become its
/// program, still holds a copy for a moment.
async fn send_until_broken(stdin: &process::ChildStdin) {
    let error = loop {
        if let Err(error) = stdin.send("nobody reads").await {
            break error;
        }
    };
    assert!(matches!(error, Error::BrokenResource(_)), "{error}");
}

#[anyio::test]
async fn a_child_that_closes_its_input_breaks_the_stream() -> Result<()> {
    let mut command = talkative("exec <&-; echo closed; exec sleep 1000");
    let ended = process::with(&mut command, async |process| {
        line_of(process).await?;
        send_until_broken(process.stdin.as_ref().unwrap()).await;
        process.kill()
    });
    assert_eq!(ended.await?.1.signal(), Some(libc::SIGKILL));
    Ok(())
}

#[anyio::test]
async fn after_the_end_of_a_child_sending_fails_and_receiving_ends() -> Result<()> {
    let process = process::open("echo last").await?;
    process.wait().await?;
    send_until_broken(process.stdin.as_ref().unwrap()).await;
    let stdout = process.stdout.as_ref().unwrap();
    assert_receives!(stdout, "last\n");
    assert!(stdout.receive().await?.is_none());
    assert!(stdout.receive().await?.is_none());
    assert!(process.stderr.as_ref().unwrap().receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_second_task_is_told_that_the_stream_is_busy() -> Result<()> {
    let process = process::open("cat").await?;
    let stdout = process.stdout.as_ref().unwrap();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            assert_eq!(stdout.receive().await?.unwrap(), "x");
            Ok(())
        });
        wait_all_tasks_blocked().await?;
        assert!(matches!(stdout.receive().await, Err(Error::BusyResource(_))));
        process.stdin.as_ref().unwrap().send("x").await
    })
    .await?;
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_receive_loses_no_byte() -> Result<()> {
    let process = process::open("cat").await?;
    let (stdin, stdout) = (process.stdin.as_ref().unwrap(), process.stdout.as_ref().unwrap());
    for round in 0..100u8 {
        let scope = CancelScope::new();
        let early = Cell::new(None);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                early.set(scope.run(async || stdout.receive().await).await?.flatten());
                Ok(())
            });
            lowlevel::checkpoint().await?;
            stdin.send([round]).await?;
            scope.cancel();
            Ok(())
        })
        .await?;
        let received = match early.take() {
            Some(chunk) => chunk,
            None => stdout.receive().await?.unwrap(),
        };
        assert_eq!(received, [round]);
    }
    process.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_send_into_a_full_pipe_is_cancelled() -> Result<()> {
    let mut process = Command::shell("sleep 1000").stdin(Stdio::piped()).spawn()?;
    let stdin = process.stdin.take().unwrap();
    let sent = move_on_after(Duration::from_millis(20), stdin.send(vec![0; 1_000_000])).await?;
    assert_eq!(sent, None);
    process.stop().await?;
    Ok(())
}
