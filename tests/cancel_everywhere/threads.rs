//! Threads, portals, processes and signals.

use crate::sentences::{cancelled, cut_short};
use anyio::{
    Result,
    from_thread::blocking_portal,
    process::{self, Command, Stdio},
    signal::{self, Signal},
    task_group, to_thread,
};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

#[anyio::test]
async fn a_function_in_a_thread_is_awaited_or_not_called() {
    covers!["to_thread::run_sync"];
    cancelled(
        async || Arc::new((AtomicU32::new(0), AtomicU32::new(0))),
        async |calls| {
            let calls = Arc::clone(calls);
            to_thread::run_sync(move || {
                calls.0.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
                calls.1.fetch_add(1, Ordering::SeqCst);
            })
            .await
        },
        async |calls, value| {
            let (begun, ended) = (calls.0.load(Ordering::SeqCst), calls.1.load(Ordering::SeqCst));
            assert_eq!(begun, ended, "it is awaited");
            assert_eq!(begun == 1, value.is_some());
        },
    )
    .await;
}

#[anyio::test]
async fn the_tasks_of_a_portal_are_cancelled_and_awaited() {
    covers!["from_thread/portal::blocking_portal", "from_thread/portal::BlockingPortal::sleep_until_stopped"];
    cancelled(
        async || Arc::new(AtomicBool::new(false)),
        async |answered| {
            let answered = Arc::clone(answered);
            blocking_portal(async |portal| -> Result<()> {
                let caller = portal.clone();
                let calling = move || {
                    let answer = caller.call(async || anyio::lowlevel::checkpoint().await.is_ok());
                    answered.store(answer.is_ok(), Ordering::SeqCst);
                    caller.stop(false);
                };
                to_thread::run_sync(calling).await?;
                portal.sleep_until_stopped().await?;
                Ok(())
            })
            .await
        },
        async |answered, value| assert!(value.is_none() || answered.load(Ordering::SeqCst)),
    )
    .await;
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60");
    command
}

/// Whether a process of this number is there, a dead one that nobody has reaped included.
fn is_there(pid: u32) -> bool {
    // SAFETY: it only asks.
    unsafe { libc::kill(pid as i32, 0) == 0 }
}

#[anyio::test]
async fn the_status_of_a_process_is_not_lost() {
    covers!["process/handle::Process::wait", "process/run::open"];
    cut_short(
        async || Command::new("true").spawn().unwrap(),
        async |process| process.wait().await,
        async |process, _| {
            let pid = process.pid();
            assert!(process.wait().await.unwrap().success());
            assert!(!is_there(pid));
        },
    )
    .await;
    cancelled(
        async || None,
        async |process| {
            *process = Some(process::open(Command::new("true").stdout(Stdio::null())).await?);
            anyio::Ok(())
        },
        async |process, value| {
            assert_eq!(process.is_some(), value.is_some(), "a process that was started comes out");
            if let Some(process) = process {
                process.close().await.unwrap();
            }
        },
    )
    .await;
}

#[anyio::test]
async fn a_process_has_ended_before_a_cancellation_goes_on() {
    covers![
        "process/handle::Process::close",
        "process/handle::Process::stop",
        "process/run::run",
        "process/run::with",
        "process/run::Command::status",
        "process/run::Command::output"
    ];
    cancelled(
        async || {
            let process = sleeper().spawn().unwrap();
            (process.pid(), Some(process))
        },
        async |(_, process)| {
            let process = process.take().expect("closed once");
            process.kill()?;
            process.close().await.map(drop)
        },
        async |(pid, process), _| {
            drop(process);
            assert!(!is_there(pid));
        },
    )
    .await;
    cancelled(
        async || sleeper().spawn().unwrap(),
        async |process| {
            anyio::lowlevel::checkpoint().await?;
            process.stop().await
        },
        async |mut process, value| {
            let pid = process.pid();
            assert!(value.is_none() || !is_there(pid));
            process.stop().await.unwrap();
            assert!(!is_there(pid));
        },
    )
    .await;
    let pids = Cell::new(0);
    cancelled(
        async || pids.set(0),
        async |()| {
            process::with(Command::new("true"), async |process| {
                pids.set(process.pid());
                process.wait().await.map(drop)
            })
            .await
        },
        async |(), _| assert!(pids.get() == 0 || !is_there(pids.get())),
    )
    .await;
    let before = children();
    cancelled(
        async || (),
        async |()| {
            process::run(["printf", "text"]).await?;
            Command::new("true").status().await?;
            Command::new("true").output().await.map(drop)
        },
        async |(), _| assert!(children() <= before + 8, "processes pile up"),
    )
    .await;
}

/// How many children the thread has, dead ones included.
fn children() -> usize {
    let path = "/proc/thread-self/children";
    std::fs::read_to_string(path).map_or(0, |children| children.split_whitespace().count())
}

#[anyio::test]
async fn pipes_of_processes_lose_nothing_and_are_closed_in_any_case() {
    covers![
        "process/streams::ChildStdin::send",
        "process/streams::ChildStdin::send_buf",
        "process/streams::ChildStdin::close",
        "process/streams::$stream::receive",
        "process/streams::$stream::receive_at_most",
        "process/streams::$stream::receive_into",
        "process/streams::$stream::close"
    ];
    let spawn = || {
        let mut process = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        (process, input, output)
    };
    let all = b"one two three";
    cancelled(
        async || (spawn(), Cell::new(0), Vec::new()),
        async |((_, input, output), sent, got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    input.send("one ").await?;
                    sent.set(4);
                    input.send_buf("two ").await.0?;
                    sent.set(8);
                    input.send("three").await?;
                    sent.set(13);
                    anyio::Ok(())
                });
                got.extend_from_slice(&output.receive_at_most(2).await?.expect("there is more"));
                got.extend_from_slice(&output.receive().await?.expect("there is more"));
                while got.len() < all.len() {
                    let (result, buffer) = output.receive_into(Vec::with_capacity(4)).await;
                    result?;
                    got.extend(buffer);
                }
                Ok(())
            })
            .await
        },
        async |((process, input, output), sent, mut got), _| {
            input.close().await.unwrap();
            while let Some(chunk) = output.receive().await.unwrap() {
                got.extend_from_slice(&chunk);
            }
            output.close().await.unwrap();
            process.close().await.unwrap();
            assert!(all.starts_with(&got) && got.len() >= sent.get(), "{} {got:?}", sent.get());
        },
    )
    .await;
    cut_short(
        async || {
            let (process, input, output) = spawn();
            (process, Some(input), Some(output))
        },
        async |(_, input, output)| {
            let _ = anyio::lowlevel::checkpoint().await;
            input.take().expect("closed once").close().await?;
            output.take().expect("closed once").close().await
        },
        async |(process, input, output), _| {
            drop((input, output));
            process.close().await.unwrap();
        },
    )
    .await;
}

#[anyio::test]
async fn no_signal_is_lost() {
    covers!["signal/receiver::SignalReceiver::receive"];
    let signals = signal::receiver(&[Signal::SIGWINCH]).unwrap();
    cut_short(
        async || Cell::new(false),
        async |received| {
            // SAFETY: the signal is received by anyio's handler.
            assert_eq!(unsafe { libc::raise(libc::SIGWINCH) }, 0);
            received.set(false);
            signals.receive().await?;
            received.set(true);
            anyio::Ok(())
        },
        async |received, _| {
            if !received.get() {
                assert_eq!(signals.receive().await.unwrap(), Signal::SIGWINCH);
            }
        },
    )
    .await;
}
