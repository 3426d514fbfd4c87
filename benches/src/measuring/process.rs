//! Other processes of this binary: a peer's server or worker.

use std::{
    env, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::Context;

/// A process of this binary with pipes for input and output. Dropping it kills the process and waits for its end.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        Self::start_in(Path::new("."), arguments)
    }

    /// Starts one in a folder.
    pub(crate) fn start_in(folder: &Path, arguments: &[&str]) -> io::Result<Self> {
        let child = Command::new(env::current_exe()?)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C goes to the process that measures alone, which ends the others in order.
            .process_group(0)
            .spawn()?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process's standard output; can be taken once.
    pub(crate) fn take_output(&mut self) -> anyhow::Result<ChildStdout> {
        self.child.stdout.take().context("the process's output is not a pipe")
    }

    /// The process's standard input.
    pub(crate) fn input(&mut self) -> anyhow::Result<&mut ChildStdin> {
        self.child.stdin.as_mut().context("the process's input is not a pipe")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("could not end the process {}: {error}", self.child.id());
        }
    }
}
