//! A run on the process's main thread handles Ctrl-C unasked, and a program with `#[anyio::main]` that ends with its cancellation
//! dies by the signal. Tests of the usual kind run on other threads, so this is a
//! program without them, which runs itself.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

use anyio::{Error, sleep_forever, testing::test_backends};
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitCode, Stdio, Termination},
};

const PROGRAM: &str = "INTERRUPT_ON_MAIN_THREAD_PROGRAM";

async fn wait() -> anyio::Error {
    // The second line is not complete, and nobody but the program itself would write it out.
    print!("ready\nalmost");
    std::io::stdout().flush().unwrap();
    print!(" lost");
    sleep_forever().await.into()
}

#[anyio::main]
async fn gives_its_cancellation() -> anyio::Result<()> {
    Err(wait().await)
}

#[anyio::main]
async fn gives_it_in_another_type() -> anyhow::Result<()> {
    Err(anyhow::Error::from(wait().await).context("while it was waiting"))
}

#[anyio::main]
async fn gives_a_value() -> ExitCode {
    wait().await;
    ExitCode::from(7)
}

#[anyio::main]
async fn gives_another_error() -> Result<(), String> {
    Err(format!("not done: {}", wait().await))
}

#[anyio::main(cores = 2)]
async fn gives_its_cancellation_on_each_core() -> anyio::Result<()> {
    Err(wait().await)
}

/// The programs, and how they end when they are interrupted: by which signal, with which code, and what they say of it.
#[expect(clippy::type_complexity, reason = "a table")]
const PROGRAMS: [(&str, fn() -> ExitCode, Option<i32>, Option<i32>, &str); 5] = [
    ("cancellation", || code(gives_its_cancellation()), Some(libc::SIGINT), None, ""),
    ("anyhow", || code(gives_it_in_another_type()), Some(libc::SIGINT), None, ""),
    ("value", gives_a_value, None, Some(7), ""),
    ("error", || code(gives_another_error()), None, Some(1), "Error: \"not done: cancelled\"\n"),
    ("cores", gives_its_cancellation_on_each_core, Some(libc::SIGINT), None, ""),
];

fn code<T: Termination>(value: T) -> ExitCode {
    value.report()
}

fn main() -> ExitCode {
    if let Some(name) = env::var_os(PROGRAM) {
        if let Some((_, program, ..)) = PROGRAMS.iter().find(|(of, ..)| *of == name) {
            return program();
        }
        let result = anyio::run(async || -> anyio::Result<()> {
            println!("ready");
            Err(sleep_forever().await.into())
        });
        assert!(matches!(result, Err(Error::Cancelled(_))));
        return ExitCode::SUCCESS;
    }
    // The children are to have the default effect, and not what the tests have inherited.
    // SAFETY: no handler is replaced.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    for backend in test_backends() {
        let interrupted = |name: &str| {
            let mut child = Command::new(env::current_exe().unwrap())
                .env(PROGRAM, name)
                .env("ANYIO_BACKEND", backend.to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            // SAFETY: the child has not been waited for.
            assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
            let mut rest = String::new();
            output.read_to_string(&mut rest).unwrap();
            (child.wait_with_output().unwrap(), rest)
        };
        assert!(interrupted("plain run").0.status.success());
        for (name, _, signal, exit_code, said) in PROGRAMS {
            let (ended, rest) = interrupted(name);
            assert_eq!(
                (ended.status.signal(), ended.status.code()),
                (signal, exit_code),
                "{name} on {backend}"
            );
            assert_eq!(String::from_utf8_lossy(&ended.stderr), said, "{name} on {backend}");
            assert!(rest.contains("almost lost"), "{name} on {backend}: {rest}");
        }
    }
    ExitCode::SUCCESS
}
