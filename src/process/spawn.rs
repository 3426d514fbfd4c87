//! Starting a process.
//!
//! The standard library does it: with `posix_spawn` if it can, which costs the same however much memory this process has.
//! What `posix_spawn` does not know is done between `fork` and `exec`.
//!
//! # Contract
//! Between `fork` and `exec` only system calls are made, and nothing is allocated or locked, since other threads may have
//! held any lock at the moment of the fork.

use super::{
    ChildStderr, ChildStdin, ChildStdout, Command, Process, Stdio,
    child::Child,
    command::{Account, EnvironmentChange, Group},
};
use crate::{
    error::{Error, Result},
    runtime::Core,
    users,
};
use std::{
    io::{self, IsTerminal},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process, ptr,
};

impl Command {
    /// Starts the process. Streams that are not set are those of this process.
    ///
    /// This thread is busy while the system starts the process,
    /// often for about a millisecond.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the program is not there or may not be run, the working folder is not there, or
    /// the system refuses something else.
    ///
    /// # Panics
    /// Outside of a run.
    pub fn spawn(&mut self) -> Result<Process> {
        spawn(self, Stdio::inherit, Stdio::inherit)
    }
}

/// Starts the process, with these for streams that are not set.
pub(super) fn spawn(
    command: &Command,
    input: impl FnOnce() -> Stdio,
    output: impl Fn() -> Stdio,
) -> Result<Process> {
    // Outside of a run nothing could be done with it.
    Core::with(|_| ());
    let failed = |error| Error::of_operation(error, "start", Path::new(&command.program).display());
    let (input, output, error) = (input(), output(), output());
    let stdin = command.stdin.as_ref().unwrap_or(&input);
    let stdout = command.stdout.as_ref().unwrap_or(&output);
    let stderr = command.stderr.as_ref().unwrap_or(&error);
    let mut prepared = prepare(command)?;
    let leads_group = set_group(&mut prepared, command, stdin);
    let mut shared = None;
    prepared.stdin(stdin.open().map_err(failed)?);
    if stderr.is_stdout() {
        let (stdout, stderr, reader) = stdout.open_shared().map_err(failed)?;
        prepared.stdout(stdout).stderr(stderr);
        shared = reader;
    } else {
        prepared.stdout(stdout.open().map_err(failed)?).stderr(stderr.open().map_err(failed)?);
    }
    let mut child = prepared.spawn().map_err(failed)?;
    let stdout = shared.or(child.stdout.take().map(OwnedFd::from));
    Ok(Process {
        stdin: child.stdin.take().map(|pipe| ChildStdin::new(pipe.into())),
        stdout: stdout.map(ChildStdout::new),
        stderr: child.stderr.take().map(|pipe| ChildStderr::new(pipe.into())),
        child: Core::with(|core| Child::new(core, child.id(), leads_group, command.kill_on_drop)),
        ending: command.ending,
    })
}

fn prepare(command: &Command) -> Result<process::Command> {
    let mut prepared = process::Command::new(&command.program);
    prepared.args(&command.arguments);
    for change in &command.environment {
        match change {
            EnvironmentChange::Set(name, value) => prepared.env(name, value),
            EnvironmentChange::Remove(name) => prepared.env_remove(name),
            EnvironmentChange::Clear => prepared.env_clear(),
        };
    }
    if let Some(directory) = &command.directory {
        prepared.current_dir(directory);
    }
    if let Some(settings) = Settings::of(command)? {
        // SAFETY: it only makes system calls: see the contract.
        unsafe { prepared.pre_exec(move || settings.apply()) };
    }
    Ok(prepared)
}

/// Sets the child's process group. Tells whether it leads one of its own.
fn set_group(prepared: &mut process::Command, command: &Command, stdin: &Stdio) -> bool {
    if command.new_session {
        return true;
    }
    let own = match command.process_group {
        Group::Number(number) if number != 0 => {
            prepared.process_group(number);
            return false;
        }
        Group::Number(_) => true,
        Group::Inherited => false,
        Group::Suitable => !(stdin.is_inherited() && io::stdin().is_terminal()),
    };
    if own {
        prepared.process_group(0);
    }
    own
}

/// What is set between `fork` and `exec`.
struct Settings {
    new_session: bool,
    umask: Option<u32>,
    groups: Option<Vec<libc::gid_t>>,
    group: Option<libc::gid_t>,
    user: Option<libc::uid_t>,
    /// Descriptors that are not to be closed. They are the command's, which outlives the start.
    passed: Vec<RawFd>,
}

impl Settings {
    /// Those that the command asks for, if it asks for any.
    fn of(command: &Command) -> Result<Option<Self>> {
        let user = command.user.as_ref().map(user_id).transpose()?;
        let group = command.group.as_ref().map(group_id).transpose()?;
        let groups = command.extra_groups.as_ref().map(|groups| groups.iter().map(group_id).collect());
        let groups: Option<Vec<_>> = groups.transpose()?;
        // SAFETY: the call only asks.
        let drops_rights = user.is_some() && unsafe { libc::geteuid() } == 0;
        let groups = groups.or(drops_rights.then(Vec::new));
        let passed = command.passed.iter().map(AsRawFd::as_raw_fd).collect();
        let settings =
            Self { new_session: command.new_session, umask: command.umask, groups, group, user, passed };
        Ok(settings.is_any().then_some(settings))
    }

    fn is_any(&self) -> bool {
        self.new_session
            || self.umask.is_some()
            || self.user.is_some()
            || self.group.is_some()
            || self.groups.is_some()
            || !self.passed.is_empty()
    }

    /// Called in the child. Groups come before the user, who may not set them any more.
    fn apply(&self) -> io::Result<()> {
        // SAFETY: these calls are allowed after a fork, and the list of groups is as long as is said.
        unsafe {
            if self.new_session {
                check(libc::setsid())?;
            }
            if let Some(mask) = self.umask {
                libc::umask(mask as libc::mode_t);
            }
            for &descriptor in &self.passed {
                check(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
            }
            if let Some(groups) = &self.groups {
                let pointer = if groups.is_empty() { ptr::null() } else { groups.as_ptr() };
                check(libc::setgroups(groups.len() as _, pointer))?;
            }
            if let Some(group) = self.group {
                check(libc::setgid(group))?;
            }
            if let Some(user) = self.user {
                check(libc::setuid(user))?;
            }
        }
        Ok(())
    }
}

fn user_id(user: &Account) -> Result<libc::uid_t> {
    match user {
        Account::Number(number) => Ok(*number),
        Account::Name(name) => users::user_id(name)
            .map_err(|error| Error::of_operation(error, "find the user", Path::new(name).display())),
    }
}

fn group_id(group: &Account) -> Result<libc::gid_t> {
    match group {
        Account::Number(number) => Ok(*number),
        Account::Name(name) => users::group_id(name)
            .map_err(|error| Error::of_operation(error, "find the group", Path::new(name).display())),
    }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
