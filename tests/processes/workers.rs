//! Functions in worker processes.

use crate::{
    observing::{is_alive, state, until},
    temporary::temporary_path,
};
use anyio::{
    CancelScope, Error, Result, current_time, move_on_after, process, sleep,
    sync::CapacityLimiter,
    task_group,
    testing::{Everywhere, cancel_everywhere},
    to_process::{self, BrokenWorkerProcess, Functions, WorkerProgram},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::{
    env, fs,
    io::{self, Read, Write},
    os::{fd::FromRawFd, unix::process::ExitStatusExt},
    path::PathBuf,
    pin::pin,
    rc::Rc,
    thread,
    time::Duration,
};

fn number(_: ()) -> u32 {
    std::process::id()
}

/// Tells the number of its process in a file, and does not end.
fn never_ends(told: PathBuf) {
    let new = told.with_extension("new");
    fs::write(&new, std::process::id().to_string()).unwrap();
    fs::rename(new, told).unwrap();
    loop {
        thread::park();
    }
}

async fn told(path: &PathBuf) -> Result<u32> {
    until(|| path.exists()).await?;
    let number = fs::read_to_string(path)?.parse().unwrap();
    fs::remove_file(path)?;
    Ok(number)
}

fn broken<T: std::fmt::Debug>(result: Result<T>) -> BrokenWorkerProcess {
    match result {
        Err(Error::BrokenWorkerProcess(broken)) => *broken,
        other => panic!("{other:?}"),
    }
}

#[anyio::test]
async fn a_worker_is_another_process_and_is_used_again() -> Result<()> {
    let first = to_process::run_sync(number, ()).await?;
    assert_ne!(first, std::process::id());
    assert_eq!(to_process::run_sync(number, ()).await?, first);
    Ok(())
}

#[anyio::test]
async fn calls_at_the_same_time_have_a_worker_each() -> Result<()> {
    let limiter = Rc::new(CapacityLimiter::new(3));
    let calls = [(); 3].map(|()| {
        to_process::run_sync(
            |()| {
                thread::sleep(Duration::from_millis(100));
                std::process::id()
            },
            (),
        )
        .limiter(&limiter)
    });
    let mut numbers = anyio::gather(calls).await?;
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 3);
    let one = Rc::new(CapacityLimiter::new(1));
    let numbers = anyio::gather([(); 3].map(|()| to_process::run_sync(number, ()).limiter(&one))).await?;
    assert!(numbers.iter().all(|number| *number == numbers[0]), "one after the other in the last one used");
    Ok(())
}

#[anyio::test]
async fn arguments_and_values_may_be_large_and_of_any_type() -> Result<()> {
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| (number * 7) as u8).collect();
    let reversed = to_process::run_sync(
        |mut bytes: Vec<u8>| {
            bytes.reverse();
            bytes
        },
        bytes.clone(),
    )
    .await?;
    assert!(reversed.iter().rev().eq(&bytes));
    let parsed = to_process::run_sync(
        |(text, base): (String, u32)| u64::from_str_radix(&text, base).map_err(|error| error.to_string()),
        ("zz".to_owned(), 16),
    )
    .await?;
    assert_eq!(parsed, Err("invalid digit found in string".to_owned()));
    Ok(())
}

#[anyio::test]
async fn a_panic_comes_back_and_the_worker_goes_on() -> Result<()> {
    let before = to_process::run_sync(number, ()).await?;
    let panicked = anyio::lowlevel::current_token().is_some();
    assert!(panicked);
    let mut call = pin!(to_process::run_sync(|number: u32| -> u32 { panic!("no {number}") }, 7));
    let payload = std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|result| panic!("{result:?}")),
            Err(payload) => std::task::Poll::Ready(payload),
        }
    })
    .await;
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "no 7");
    assert_eq!(to_process::run_sync(number, ()).await?, before);
    Ok(())
}

#[anyio::test]
async fn a_worker_that_is_cancelled_is_gone_before_the_cancellation_goes_on() -> Result<()> {
    for stopped in [false, true] {
        let path = temporary_path();
        let scope = CancelScope::new();
        let mut number = 0;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                number = told(&path).await?;
                if stopped {
                    // SAFETY: it stops a process of this test.
                    unsafe { libc::kill(number as i32, libc::SIGSTOP) };
                    until(|| state(number) == Some('T')).await?;
                }
                scope.cancel();
                anyio::Ok(())
            });
            let called = scope.run(async || to_process::run_sync(never_ends, path.clone()).await).await?;
            assert_eq!(called, None);
            Ok(())
        })
        .await?;
        assert_eq!(state(number), None, "reaped");
        assert_ne!(to_process::run_sync(self::number, ()).await?, number);
    }
    Ok(())
}

/// Tells the number of its process in a file, and gives it.
fn tells(told: PathBuf) -> u32 {
    fs::write(told, std::process::id().to_string()).unwrap();
    std::process::id()
}

#[anyio::test]
async fn a_worker_is_gone_before_the_cancellation_goes_on_wherever_that_meets_its_call() {
    cancel_everywhere(
        Everywhere::cancel().allow_differences(),
        async || temporary_path(),
        async |path| to_process::run_sync(tells, path.clone()).await,
        async |path, value| {
            let told = fs::read_to_string(&path).ok().and_then(|text| text.parse::<u32>().ok());
            let _ = fs::remove_file(&path);
            match (value, told) {
                (Some(number), told) => assert_eq!(told, Some(number)),
                (None, Some(number)) => assert_eq!(state(number), None, "killed and reaped"),
                (None, None) => {}
            }
        },
    )
    .await;
}

#[anyio::test]
async fn a_call_that_is_dropped_leaves_nothing() -> Result<()> {
    let path = temporary_path();
    let number = {
        let mut call = pin!(to_process::run_sync(never_ends, path.clone()));
        let mut told = pin!(told(&path));
        std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            told.as_mut().poll(cx)
        })
        .await?
    };
    until(|| !is_alive(number)).await
}

#[anyio::test]
async fn how_a_worker_that_dies_has_ended_is_told() -> Result<()> {
    // SAFETY: raising a signal is always sound.
    let killed = broken(to_process::run_sync(|()| unsafe { libc::raise(libc::SIGKILL) }, ()).await);
    assert_eq!(killed.status().and_then(|status| status.signal()), Some(libc::SIGKILL), "{killed}");
    assert_eq!(state(killed.pid()), None);
    let exited = broken(to_process::run_sync(|()| -> u8 { std::process::exit(3) }, ()).await);
    assert_eq!(exited.status().and_then(|status| status.code()), Some(3));
    assert!(exited.to_string().ends_with("ended before it answered: exit status: 3"), "{exited}");
    let aborted = broken(to_process::run_sync(|()| -> u8 { std::process::abort() }, ()).await);
    assert_eq!(aborted.status().and_then(|status| status.signal()), Some(libc::SIGABRT));
    assert_ne!(to_process::run_sync(number, ()).await?, aborted.pid());
    Ok(())
}

#[anyio::test]
async fn a_worker_that_died_while_it_was_idle_is_replaced() -> Result<()> {
    let before = to_process::run_sync(number, ()).await?;
    // SAFETY: it kills a process of this test.
    unsafe { libc::kill(before as i32, libc::SIGKILL) };
    assert_ne!(to_process::run_sync(number, ()).await?, before);
    Ok(())
}

#[anyio::test]
async fn a_worker_that_dies_with_a_call_that_it_has_not_looked_at_is_replaced() -> Result<()> {
    let before = to_process::run_sync(number, ()).await?;
    // SAFETY: it stops and kills a process of this test.
    unsafe { libc::kill(before as i32, libc::SIGSTOP) };
    until(|| state(before) == Some('T')).await?;
    let after = task_group(async |tg| -> Result<u32> {
        let call = tg.start_soon(to_process::run_sync(number, ()));
        anyio::testing::wait_all_tasks_blocked().await?;
        // SAFETY: as above.
        unsafe { libc::kill(before as i32, libc::SIGKILL) };
        Ok(call.await?)
    })
    .await?;
    assert_ne!(after, Some(before));
    assert_ne!(after, None);
    Ok(())
}

#[anyio::test]
async fn the_standard_streams_are_of_no_use_and_no_harm() -> Result<()> {
    let read = to_process::run_sync(
        |()| {
            for _ in 0..10_000 {
                println!("garbage, and much of it");
                io::stdout().write_all(b"anyio\x01\xc3\x04garbage\n").unwrap();
            }
            let mut read = Vec::new();
            io::stdin().read_to_end(&mut read).unwrap()
        },
        (),
    )
    .await?;
    assert_eq!(read, 0);
    Ok(())
}

#[anyio::test]
async fn what_is_no_answer_is_told_from_one() -> Result<()> {
    // A function that writes to all descriptors there are.
    let broken = broken(
        to_process::run_sync(
            |()| {
                for descriptor in 3..64 {
                    // SAFETY: it does not use them otherwise, and they are not closed.
                    let mut file = std::mem::ManuallyDrop::new(unsafe { fs::File::from_raw_fd(descriptor) });
                    let _ = file.write_all(b"sixteen bytes of garbage");
                }
            },
            (),
        )
        .await,
    );
    assert!(broken.to_string().contains("answered what is no answer"), "{broken}");
    assert_eq!(state(broken.pid()), None);
    Ok(())
}

#[anyio::test]
async fn what_a_function_has_forked_neither_hides_its_end_nor_outlives_it() -> Result<()> {
    let path = temporary_path();
    let broken = broken(
        to_process::run_sync(
            |path: PathBuf| {
                // SAFETY: the copy makes calls of the system alone.
                match unsafe { libc::fork() } {
                    0 => loop {
                        // SAFETY: it only waits.
                        unsafe { libc::pause() };
                    },
                    copy => fs::write(path, copy.to_string()).unwrap(),
                }
                // SAFETY: raising a signal is always sound.
                unsafe { libc::raise(libc::SIGKILL) };
            },
            path.clone(),
        )
        .await,
    );
    assert!(broken.signal().is_some(), "{broken}");
    let copy = told(&path).await?;
    until(|| !is_alive(copy)).await
}

#[anyio::test]
async fn a_function_that_forks_and_comes_back_twice_answers_once() -> Result<()> {
    // SAFETY: the copy does nothing but answer, which the worker guards against.
    let forked = to_process::run_sync(|()| unsafe { libc::fork() }, ()).await?;
    assert!(forked > 0);
    until(|| !is_alive(forked as u32)).await?;
    for value in 0..10 {
        assert_eq!(to_process::run_sync(|value: u8| value, value).await?, value);
    }
    Ok(())
}

#[anyio::test]
async fn workers_end_with_their_run() -> Result<()> {
    let backend = anyio::current_backend().unwrap();
    let number = anyio::to_thread::run_sync(move || {
        anyio::Builder::new().backend(backend).run(async || to_process::run_sync(number, ()).await)
    })
    .await???;
    until(|| !is_alive(number)).await
}

#[anyio::test]
async fn workers_end_when_their_parent_dies() -> Result<()> {
    for stopped in [false, true] {
        let path = temporary_path();
        let scope = CancelScope::new();
        let mut number = 0;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                number = told(&path).await?;
                if stopped {
                    // SAFETY: it stops a process of this test.
                    unsafe { libc::kill(number as i32, libc::SIGSTOP) };
                }
                // Kills the worker that has a worker.
                scope.cancel();
                anyio::Ok(())
            });
            scope
                .run(async || {
                    let nested = |path: PathBuf| {
                        anyio::run(async || to_process::run_sync(never_ends, path).await.unwrap());
                    };
                    to_process::run_sync(nested, path.clone()).await
                })
                .await?;
            Ok(())
        })
        .await?;
        until(|| !is_alive(number)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_worker_that_was_idle_for_too_long_is_not_used_again() -> Result<()> {
    to_process::set_idle_limit(Duration::ZERO);
    let first = to_process::run_sync(number, ()).await?;
    assert_ne!(to_process::run_sync(number, ()).await?, first);
    until(|| !is_alive(first)).await
}

#[anyio::test(clock = "virtual")]
async fn an_idle_worker_does_not_stop_a_virtual_clock() -> Result<()> {
    let before = current_time();
    to_process::run_sync(|()| thread::sleep(Duration::from_millis(50)), ()).await?;
    sleep(Duration::from_secs(60)).await?;
    assert!(current_time() - before >= Duration::from_secs(60));
    let called = move_on_after(Duration::from_secs(60), to_process::run_sync(number, ())).await?;
    assert!(called.is_some(), "time stands still while a worker works");
    Ok(())
}

#[anyio::test]
async fn an_argument_that_cannot_be_passed_on_starts_no_worker() -> Result<()> {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
            Err(ser::Error::custom("never"))
        }
    }
    let program = WorkerProgram::new("/nowhere/at/all");
    let refused = program.run_sync::<_, ()>("swap", &Refuses).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{refused}");
    let refused = program.run_sync::<_, ()>("swap", &7).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("/nowhere/at/all"), "{refused}");
    Ok(())
}

#[anyio::test]
async fn a_program_that_is_no_worker_is_told_of() -> Result<()> {
    let program = WorkerProgram::new("sh").arg("-c");
    let ended = broken(program.clone().arg("exit 5").run_sync::<_, ()>("swap", &7).await);
    assert!(ended.to_string().contains("ended before it was ready: exit status: 5"), "{ended}");
    let speaks = "echo 'hello, this is no worker' >&0; sleep 1000";
    let spoke = broken(program.clone().arg(speaks).run_sync::<_, ()>("swap", &7).await);
    assert!(spoke.to_string().contains("answered what is no answer"), "{spoke}");
    assert_eq!(state(spoke.pid()), None);
    Ok(())
}

/// What another program would do in its `main`.
#[test]
#[ignore = "a program for other tests"]
fn offers_functions() {
    Functions::new().add("swap", u32::swap_bytes).add("number", number).serve();
}

#[anyio::test]
async fn another_program_offers_functions_by_their_names() -> Result<()> {
    let mut program = WorkerProgram::new(env::current_exe()?);
    for argument in ["--exact", "workers::offers_functions", "--ignored"] {
        program = program.arg(argument);
    }
    assert_eq!(program.run_sync::<_, u32>("swap", &1_u32).await?, 1 << 24);
    let refused = program.run_sync::<_, u32>("swop", &1_u32).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    assert!(refused.to_string().contains("no function \"swop\""), "{refused}");
    let refused = program.run_sync::<_, u32>("swap", "text").await.unwrap_err();
    assert!(refused.to_string().contains("another type"), "{refused}");
    assert_eq!(program.run_sync::<_, u32>("swap", &2_u32).await?, 2 << 24, "it goes on after refusals");
    Ok(())
}

#[anyio::test]
async fn the_variable_that_makes_a_worker_means_nothing_to_what_workers_start() -> Result<()> {
    // A test that is run by a worker's function is a test.
    let status = to_process::run_sync(
        |()| {
            let mut command = std::process::Command::new(env::current_exe().unwrap());
            command
                .args(["--exact", "workers::offers_functions", "--ignored"])
                .stdin(std::process::Stdio::null());
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        },
        (),
    )
    .await?;
    assert!(status.contains("1 passed"), "{status}");
    let _ = process::run("true").await?;
    Ok(())
}

/// A value that can be sent, and not be received.
#[derive(Debug)]
struct OneWay;

impl Serialize for OneWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_u8(7)
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Err(de::Error::custom("it has no way back"))
    }
}

#[anyio::test]
async fn a_value_that_cannot_be_read_here_is_refused_and_an_argument_that_cannot_be_read_there_too()
-> Result<()> {
    let before = to_process::run_sync(number, ()).await?;
    let refused = to_process::run_sync(|()| OneWay, ()).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");
    let refused = to_process::run_sync(|_: OneWay| (), OneWay).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");
    assert_eq!(to_process::run_sync(number, ()).await?, before, "the worker is none the worse for it");
    Ok(())
}

#[anyio::test]
async fn a_function_that_closes_all_descriptors_or_all_of_its_stack_is_a_broken_worker() -> Result<()> {
    let closed = broken(
        to_process::run_sync(
            |()| {
                for descriptor in 3..64 {
                    // SAFETY: whoever uses these ends.
                    unsafe { libc::close(descriptor) };
                }
            },
            (),
        )
        .await,
    );
    assert_eq!(state(closed.pid()), None, "{closed}");
    fn deeper(depth: u64) -> u64 {
        let here = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { deeper(depth + 1) + here[7] }
    }
    let overflown = broken(to_process::run_sync(deeper, 0).await);
    assert!(overflown.signal().is_some(), "{overflown}");
    Ok(())
}

#[anyio::test]
async fn calls_that_are_given_up_at_any_moment_give_back_what_they_have_borrowed() -> Result<()> {
    fn with_much(bytes: Vec<u8>) -> Vec<u8> {
        thread::sleep(Duration::from_millis(2));
        bytes
    }
    let limiter = Rc::new(CapacityLimiter::new(2));
    to_process::run_sync(number, ()).await?;
    let mut gone = 0;
    for step in 0..20_u64 {
        // From before the worker is there until after it has answered.
        let time = Duration::from_micros(step * step * 50);
        let bytes = vec![step as u8; 300_000];
        let call = to_process::run_sync(with_much, bytes.clone()).limiter(&limiter);
        match move_on_after(time, call).await? {
            Some(given) => assert_eq!(given, bytes),
            None => gone += 1,
        }
        assert_eq!(limiter.borrowed_tokens(), 0);
    }
    assert!(gone > 0, "some were given up");
    // Only who is idle is there, and answers.
    let last = to_process::run_sync(number, ()).await?;
    assert!(is_alive(last));
    Ok(())
}

#[anyio::test]
async fn a_worker_may_be_idle_for_longer_than_any_clock_tells() -> Result<()> {
    for limit in [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_nanos(10_000_000_000_999)] {
        to_process::set_idle_limit(limit);
        // A program of its own, so that its worker is a new one, which is told this limit.
        let mut program = WorkerProgram::new(env::current_exe()?).arg(format!("{limit:?}"));
        for argument in ["--exact", "workers::offers_functions", "--ignored"] {
            program = program.arg(argument);
        }
        assert_eq!(program.run_sync::<_, u32>("swap", &1_u32).await?, 1 << 24);
        let worker: u32 = program.run_sync("number", &()).await?;
        // Time enough for one that ends at once.
        sleep(Duration::from_millis(50)).await?;
        assert_eq!(program.run_sync::<_, u32>("number", &()).await?, worker);
        assert_eq!(program.run_sync::<_, u32>("swap", &2_u32).await?, 2 << 24);
    }
    Ok(())
}
