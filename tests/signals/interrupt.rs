//! Ctrl-C. What it does is tried in processes of their own: the tests that are ignored are run by the others.

use anyio::{
    Builder, CancelScope, Core, Error, ErrorGroup, Interrupt, Result, idle, lowlevel, shield,
    signal::{Signal, receiver},
    sleep_forever,
    testing::test_backends,
};
use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// A test of this file in a process of its own.
struct Program {
    child: Child,
    lines: io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Program {
    fn start(test: &str, backend: &str, ignoring: bool) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
            .env("ANYIO_BACKEND", backend)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Not what the tests have inherited.
        let effect = if ignoring { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: the call is allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGINT, effect);
                Ok(())
            })
        };
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line that begins with `=`.
    fn line(&mut self) -> String {
        loop {
            let line = self.lines.next().expect("the program ended too early").unwrap();
            if let Some((_, said)) = line.split_once('=') {
                return said.to_string();
            }
        }
    }

    fn interrupt(&self) {
        self.signal(libc::SIGINT);
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the child has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    fn end(mut self) -> ExitStatus {
        // What is left of the output has to be read, or the program may wait for ever.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap()
    }
}

fn say(line: &str) {
    println!("={line}");
    io::stdout().flush().unwrap();
}

fn on_each_backend(test: impl Fn(&str)) {
    for backend in test_backends() {
        test(&backend.to_string());
    }
}

/// Waits, says so, and gives its cancellation.
async fn wait_for_interrupt() -> Result<()> {
    say("ready");
    Err(sleep_forever().await.into())
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_cleans_up() {
    let result = Builder::new()
        .interrupt(Interrupt::Cancel)
        .run(async || -> Result<()> {
            let ended = CancelScope::new().run(wait_for_interrupt).await;
            // The root's cancellation passes through this scope.
            assert!(matches!(ended, Err(Error::Cancelled(_))));
            let reason = anyio::current_cancel_reason().expect("the scope of the run is cancelled");
            assert_eq!(reason.kind(), anyio::ReasonKind::Interrupt);
            shield(async { anyio::Ok(()) }).await?;
            say("cleaned up");
            ended.map(|_| ())
        })
        .unwrap();
    assert!(matches!(result, Err(Error::Cancelled(_))));
    say("cancelled");
}

#[test]
fn the_first_interrupt_cancels_the_main_task_which_cleans_up() {
    on_each_backend(|backend| {
        let mut program = Program::start("interrupt::program_that_cleans_up", backend, false);
        assert_eq!(program.line(), "ready");
        program.interrupt();
        assert_eq!(program.line(), "cleaned up");
        assert_eq!(program.line(), "cancelled");
        assert!(program.end().success());
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_does_not_end() {
    Builder::new()
        .interrupt(Interrupt::Cancel)
        .run(async || {
            assert!(wait_for_interrupt().await.is_err());
            shield(wait_for_interrupt()).await.unwrap();
        })
        .unwrap();
}

#[test]
fn the_second_interrupt_ends_the_process() {
    on_each_backend(|backend| {
        let mut program = Program::start("interrupt::program_that_does_not_end", backend, false);
        for _ in 0..2 {
            assert_eq!(program.line(), "ready");
            program.interrupt();
        }
        assert_eq!(program.end().signal(), Some(libc::SIGINT));
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_on_several_cores() {
    let cores = Builder::new()
        .interrupt(Interrupt::Cancel)
        .run_on_cores(2, async |_: &Core| wait_for_interrupt().await);
    assert_eq!(cores.map_err(ErrorGroup::into_first).unwrap(), None);
    say("cancelled");
}

#[test]
fn an_interrupt_cancels_every_core() {
    on_each_backend(|backend| {
        let mut program = Program::start("interrupt::program_on_several_cores", backend, false);
        assert_eq!(program.line(), "ready");
        assert_eq!(program.line(), "ready");
        program.interrupt();
        assert_eq!(program.line(), "cancelled");
        assert!(program.end().success());
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_with_a_receiver() {
    Builder::new()
        .interrupt(Interrupt::Cancel)
        .run(async || -> Result<()> {
            let signals = receiver(&[Signal::SIGINT])?;
            for _ in 0..3 {
                say("ready");
                assert_eq!(signals.receive().await?, Signal::SIGINT);
            }
            drop(signals);
            wait_for_interrupt().await
        })
        .unwrap()
        .unwrap_err();
    say("cancelled");
}

#[test]
fn a_receiver_gets_interrupts_in_place_of_the_run() {
    on_each_backend(|backend| {
        let mut program = Program::start("interrupt::program_with_a_receiver", backend, false);
        for _ in 0..4 {
            assert_eq!(program.line(), "ready");
            program.interrupt();
        }
        assert_eq!(program.line(), "cancelled");
        assert!(program.end().success());
    });
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_leaves_interrupts_alone() {
    Builder::new().interrupt(Interrupt::Ignore).run(wait_for_interrupt).unwrap().unwrap();
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_runs_on_a_thread_without_saying_so() {
    std::thread::spawn(|| anyio::run(wait_for_interrupt)).join().unwrap().unwrap();
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_whose_run_is_over() {
    Builder::new().interrupt(Interrupt::Cancel).run(async || {}).unwrap();
    std::thread::spawn(|| anyio::run(wait_for_interrupt)).join().unwrap().unwrap();
}

#[test]
fn the_default_effect_stays_where_no_run_handles_interrupts() {
    for test in [
        "interrupt::program_that_leaves_interrupts_alone",
        "interrupt::program_that_runs_on_a_thread_without_saying_so",
        "interrupt::program_whose_run_is_over",
    ] {
        on_each_backend(|backend| {
            let mut program = Program::start(test, backend, false);
            assert_eq!(program.line(), "ready");
            program.interrupt();
            assert_eq!(program.end().signal(), Some(libc::SIGINT), "{test}");
        });
    }
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_ignores_interrupts() {
    Builder::new()
        .interrupt(Interrupt::Cancel)
        .run(async || -> Result<()> {
            // SAFETY: the signal goes to this process, which ignores it.
            unsafe { libc::raise(libc::SIGINT) };
            anyio::lowlevel::checkpoint().await?;
            anyio::lowlevel::checkpoint().await?;
            Ok(())
        })
        .unwrap()
        .unwrap();
    say("went on");
}

#[test]
fn an_ignored_interrupt_stays_ignored() {
    on_each_backend(|backend| {
        let mut program = Program::start("interrupt::program_that_ignores_interrupts", backend, true);
        assert_eq!(program.line(), "went on");
        assert!(program.end().success());
    });
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_finishes() {
    let finished = Builder::new()
        .interrupt(Interrupt::Finish(LONG))
        .run(async || -> Result<bool> {
            say("ready");
            anyio::finishing().await?;
            say("finishing");
            // What is busy goes on until it is cancelled.
            assert!(!lowlevel::is_cancelled());
            sleep_forever().await;
            let reason = anyio::current_cancel_reason().expect("the scope of the run is cancelled");
            assert_eq!(reason.kind(), anyio::ReasonKind::Interrupt);
            say("cancelled");
            shield(sleep_forever()).await;
            Ok(true)
        })
        .unwrap();
    assert!(finished.is_ok());
}

#[test]
fn the_first_signal_finishes_the_second_cancels_and_the_third_ends_the_process() {
    for (first, second) in [(libc::SIGINT, libc::SIGTERM), (libc::SIGTERM, libc::SIGINT)] {
        on_each_backend(|backend| {
            let mut program = Program::start("interrupt::program_that_finishes", backend, false);
            assert_eq!(program.line(), "ready");
            program.signal(first);
            assert_eq!(program.line(), "finishing");
            program.signal(second);
            assert_eq!(program.line(), "cancelled");
            program.signal(first);
            assert_eq!(program.end().signal(), Some(first));
        });
    }
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn program_that_finishes_at_once() {
    let ended = Builder::new().interrupt(Interrupt::Finish(LONG)).run(async || -> Result<()> {
        say("ready");
        idle(async { Err::<(), _>(sleep_forever().await) }).await
    });
    assert!(matches!(ended.unwrap(), Err(Error::Finishing)));
}

#[test]
fn a_signal_that_is_ignored_leaves_the_other_to_finish_the_run() {
    on_each_backend(|backend| {
        let mut program = Program::start("interrupt::program_that_finishes_at_once", backend, true);
        assert_eq!(program.line(), "ready");
        program.signal(libc::SIGINT);
        program.signal(libc::SIGTERM);
        assert!(program.end().success());
    });
}
