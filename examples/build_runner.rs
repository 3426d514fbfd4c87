//! Runs several commands at the same time, each with a time limit, and prints what they write as it comes.
//!
//!     cargo run --example build_runner -- --timeout 2 'make -j2' 'sleep 10' 'echo done'
//!
//! Ctrl-C, a failure (with `--fail-fast`) or the end of its time ends a command and all that it has started.

use anyio::{
    Result, move_on_after,
    process::{self, Command, ExitStatus, Process, Stdio},
    signal::Signal,
    streams::ByteReceiveStream,
    task_group,
};
use clap::Parser;
use output::say;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    process::ExitCode,
    time::{Duration, Instant},
};

#[path = "shared/output.rs"]
mod output;

/// Runs commands at the same time and prints their output as it comes, each line with the number of its command.
#[derive(Debug, Parser)]
struct Options {
    /// How long each command may take, in seconds.
    #[arg(short, long, default_value_t = 60.0)]
    timeout: f64,

    /// How many commands run at a time.
    #[arg(short, long, default_value_t = 4)]
    jobs: usize,

    /// How long a command that is being ended gets to clean up before it is killed, in seconds.
    #[arg(short, long, default_value_t = 2.0)]
    grace: f64,

    /// End all commands when one has failed.
    #[arg(short, long)]
    fail_fast: bool,

    /// Lines for the shell.
    #[arg(required = true)]
    commands: Vec<String>,
}

/// How a command has ended.
enum Outcome {
    Ended(ExitStatus),
    TimedOut,
}

#[anyio::main]
async fn main() -> ExitCode {
    output::conclude(run_all(&Options::parse()).await)
}

async fn run_all(options: &Options) -> Result<ExitCode> {
    let waiting: RefCell<VecDeque<_>> = RefCell::new(options.commands.iter().enumerate().collect());
    let failures = Cell::new(0);
    let ended = task_group(async |tg| -> Result<()> {
        for _ in 0..options.jobs.max(1) {
            tg.start_soon(async {
                loop {
                    let Some((number, line)) = waiting.borrow_mut().pop_front() else { return Ok(()) };
                    if !run_one(options, number, line).await? {
                        failures.set(failures.get() + 1);
                        if options.fail_fast {
                            tg.cancel();
                            return Ok(());
                        }
                    }
                }
            });
        }
        Ok(())
    })
    .await?;
    let all_ended = ended.is_some() && waiting.borrow().is_empty();
    say!("{} of {} commands failed", failures.get(), options.commands.len())?;
    Ok(if all_ended && failures.get() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one command; tells whether it succeeded in time.
async fn run_one(options: &Options, number: usize, line: &str) -> Result<bool> {
    say!("[{number}] $ {line}")?;
    let began = Instant::now();
    let mut command = Command::shell(line);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .ending(Signal::SIGTERM, Duration::from_secs_f64(options.grace));
    let limit = Duration::from_secs_f64(options.timeout);
    let outcome = match move_on_after(limit, print_all(&mut command, number)).await? {
        Some(status) => Outcome::Ended(status),
        None => Outcome::TimedOut,
    };
    let seconds = began.elapsed().as_secs_f64();
    match outcome {
        Outcome::Ended(status) => say!("[{number}] {status} after {seconds:.2} s")?,
        Outcome::TimedOut => say!("[{number}] ended after {seconds:.2} s, since its time was over")?,
    }
    Ok(matches!(outcome, Outcome::Ended(status) if status.success()))
}

/// Runs one command to its end and prints what it writes.
async fn print_all(command: &mut Command, number: usize) -> Result<ExitStatus> {
    let ((), status) = process::with(command, async |process: &mut Process| -> Result<()> {
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        task_group(async |tg| -> Result<()> {
            if let Some(stderr) = stderr {
                tg.start_soon(print_lines(stderr, number, '!'));
            }
            match stdout {
                Some(stdout) => print_lines(stdout, number, '|').await,
                None => Ok(()),
            }
        })
        .await?;
        Ok(())
    })
    .await?;
    Ok(status)
}

/// Prints each line as soon as it is complete, so that those of several commands do not mix.
async fn print_lines(mut stream: impl ByteReceiveStream, number: usize, mark: char) -> Result<()> {
    let mut unfinished = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        unfinished.extend_from_slice(&chunk);
        let Some(end) = unfinished.iter().rposition(|&byte| byte == b'\n') else { continue };
        let rest = unfinished.split_off(end + 1);
        for line in unfinished.split_inclusive(|&byte| byte == b'\n') {
            print_line(line, number, mark)?;
        }
        unfinished = rest;
    }
    if !unfinished.is_empty() {
        unfinished.push(b'\n');
        print_line(&unfinished, number, mark)?;
    }
    Ok(())
}

fn print_line(line: &[u8], number: usize, mark: char) -> Result<()> {
    Ok(output::write(|output| {
        write!(output, "[{number}]{mark} ")?;
        output.write_all(line)
    })?)
}
