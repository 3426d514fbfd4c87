//! Processes from beginning to end.

use super::{Command, CompletedProcess, IntoCommand, Process, ProcessFailed, Stdio, spawn};
use crate::{
    error::{Error, Result},
    group::task_group,
    lowlevel::checkpoint_if_cancelled,
    streams::ByteReceiveStream,
};
use std::{
    borrow::BorrowMut,
    cell::RefCell,
    ffi::OsString,
    io,
    process::{ExitStatus, Output},
};

/// Runs a process and gives how it has ended and what it wrote. A string is a line for the shell; an array, slice or vector
/// of strings is a program with its arguments; a [`Command`] has options.
///
/// Both outputs are captured unless the command connects them to something else. The [`input`](Command::input) is fed to the
/// process while it runs (that it does not read all of it is no error); without one, its standard input is that of this
/// process.
///
/// ```
/// use anyio::process::{self, Command};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let listed = process::run(["ls", "/dev/null"]).await?;
/// assert_eq!(listed.stdout.as_deref(), Some(&b"/dev/null\n"[..]));
///
/// let counted = process::run(Command::shell("tr a-z A-Z | rev").input("hello")).await?;
/// assert_eq!(counted.stdout.as_deref(), Some(&b"OLLEH"[..]));
///
/// let failed = process::run("echo oh no >&2; exit 3").await.unwrap_err();
/// assert!(matches!(failed, anyio::Error::ProcessFailed(process) if process.returncode() == 3));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::ProcessFailed`], which has the outputs, if the process did not end with success, unless
/// [`check`](Command::check) says that this is no error. [`InvalidInput`](io::ErrorKind::InvalidInput) if the command has
/// both an input and something else as its standard input. As for [`Command::spawn`] if it cannot be started, and
/// [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// When the scope is cancelled, the process is [stopped](Process::stop) before the cancellation goes on. When the future is
/// dropped the process is killed.
pub async fn run(command: impl IntoCommand) -> Result<CompletedProcess> {
    let mut command = command.into_command();
    let command: &mut Command = command.borrow_mut();
    checkpoint_if_cancelled().await?;
    if command.input.is_some() && command.stdin.is_some() {
        let text = "a process has either an input or something else as its standard input";
        return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidInput, text)));
    }
    let input = || if command.input.is_some() { Stdio::piped() } else { Stdio::inherit() };
    let process = spawn::start(command, input, Stdio::piped).await?;
    let arguments = command.arguments().map(OsString::from).collect();
    let completed = complete(process, command.input.clone(), arguments).await?;
    if command.check { Ok(completed.check_returncode()?) } else { Ok(completed) }
}

/// Starts a process with pipes for all streams that the command does not connect to something else. A string is a line for
/// the shell; an array, slice or vector of strings is a program with its arguments; a [`Command`] has options.
///
/// # Errors
/// As for [`Command::spawn`], and [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// A process that was started comes out.
pub async fn open(command: impl IntoCommand) -> Result<Process> {
    checkpoint_if_cancelled().await?;
    spawn::start(command.into_command().borrow_mut(), Stdio::piped, Stdio::piped).await
}

/// Starts a process, runs a body with it, and waits for its end. Streams that the command does not set are those of this
/// process. The status comes out with the body's value.
///
/// ```
/// use anyio::{Result, process::{self, Command, Process, Stdio}};
///
/// # anyio::run(async || -> Result<()> {
/// let mut command = Command::new("cat");
/// command.stdin(Stdio::piped()).stdout(Stdio::piped());
/// let (echoed, status) = process::with(&mut command, async |process: &mut Process| -> Result<_> {
///     process.stdin.take().unwrap().send("hello").await?;
///     process.stdout.as_ref().unwrap().receive().await
/// })
/// .await?;
/// assert_eq!(echoed.unwrap(), "hello");
/// assert!(status.success());
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// The body's, after the process was [stopped](Process::stop). As for [`Command::spawn`] if it cannot be started, and as for
/// [`Process::close`] while waiting for its end.
///
/// # Cancel safety
/// When the scope is cancelled, the process has ended and is reaped before the cancellation goes on. When the future is
/// dropped the process is killed.
pub async fn with<T, E>(
    command: impl IntoCommand,
    body: impl AsyncFnOnce(&mut Process) -> Result<T, E>,
) -> Result<(T, ExitStatus), E>
where
    E: From<Error>,
{
    checkpoint_if_cancelled().await.map_err(Error::from)?;
    let mut process =
        spawn::start(command.into_command().borrow_mut(), Stdio::inherit, Stdio::inherit).await?;
    match body(&mut process).await {
        Ok(value) => Ok((value, process.close().await?)),
        Err(error) => {
            stop(process).await;
            Err(error)
        }
    }
}

impl Command {
    /// Starts the process and waits for it to end. Streams that are not set are those of this process.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn), and [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled. A status
    /// other than success is no error.
    ///
    /// # Cancel safety
    /// As for [`with`](super::with): the process is ended before the cancellation goes on.
    pub async fn status(&mut self) -> Result<ExitStatus> {
        checkpoint_if_cancelled().await?;
        wait_in_scope(spawn::start(self, Stdio::inherit, Stdio::inherit).await?).await
    }

    /// Starts the process, waits for it to end, and gives its status and outputs. Outputs that are not set are captured; an
    /// input that is not set is empty.
    ///
    /// # Errors
    /// As for [`status`](Self::status).
    ///
    /// # Cancel safety
    /// As for [`with`](super::with): the process is ended before the cancellation goes on.
    pub async fn output(&mut self) -> Result<Output> {
        checkpoint_if_cancelled().await?;
        let process = spawn::start(self, Stdio::null, Stdio::piped).await?;
        let CompletedProcess { status, stdout, stderr, .. } = complete(process, None, Vec::new()).await?;
        Ok(Output { status, stdout: stdout.unwrap_or_default(), stderr: stderr.unwrap_or_default() })
    }
}

/// Waits for the end of a process, which ends before a cancellation goes on.
async fn wait_in_scope(process: Process) -> Result<ExitStatus> {
    match process.wait().await {
        Ok(status) => Ok(status),
        Err(error) => {
            stop(process).await;
            Err(error)
        }
    }
}

/// Feeds a process, collects what it writes, and waits for its end.
async fn complete(
    mut process: Process,
    input: Option<Vec<u8>>,
    args: Vec<OsString>,
) -> Result<CompletedProcess> {
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let (out, err) = (RefCell::new(None), RefCell::new(None));
    let ended = task_group(async |tg| -> Result<()> {
        if let (Some(stdin), Some(input)) = (stdin, input) {
            tg.start_soon(async move {
                match stdin.send(input).await {
                    // The process need not read all of it.
                    Err(Error::BrokenResource(_)) => {}
                    result => result?,
                }
                stdin.close().await
            });
        }
        if let Some(stdout) = stdout {
            tg.start_soon(collect(stdout, &out));
        }
        if let Some(stderr) = stderr {
            tg.start_soon(collect(stderr, &err));
        }
        // It keeps its number, and with that its group, until all is collected from those it may have started.
        process.child.wait_without_reaping().await
    })
    .await;
    match ended {
        Ok(_) => {
            let status = wait_in_scope(process).await?;
            Ok(CompletedProcess { args, status, stdout: out.into_inner(), stderr: err.into_inner() })
        }
        Err(errors) => {
            stop(process).await;
            Err(errors.into())
        }
    }
}

async fn collect(mut stream: impl ByteReceiveStream, into: &RefCell<Option<Vec<u8>>>) -> Result<()> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        all.extend_from_slice(&chunk);
    }
    into.replace(Some(all));
    Ok(())
}

/// Ends a process because of an error, which is what is reported.
async fn stop(mut process: Process) {
    if let Err(error) = process.stop().await {
        log::warn!("process {} could not be ended: {error}", process.pid());
    }
}

impl From<ProcessFailed> for Error {
    fn from(failed: ProcessFailed) -> Self {
        Self::ProcessFailed(Box::new(failed))
    }
}
