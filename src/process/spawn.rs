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
    to_thread, users,
};
use std::{
    ffi::CString,
    fs,
    io::{self, IsTerminal},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process, ptr, thread,
    time::Duration,
};

impl Command {
    /// Starts the process. Streams that are not set are those of this process.
    ///
    /// This thread is busy while the system starts the process, often for about a millisecond. If the program is open for
    /// writing, which may be for no longer than it takes another process to start that has just been told to, it is tried
    /// again for up to an eighth of a second; [`run`](super::run()), [`open`](super::open()) and the like try for half a
    /// second and let other tasks go on.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the program is not there or may not be run, also because it is open for writing
    /// ([`ExecutableFileBusy`](std::io::ErrorKind::ExecutableFileBusy)), or the system refuses something else. If the working
    /// folder cannot be entered the error names that.
    ///
    /// # Panics
    /// Outside of a run.
    pub fn spawn(&mut self) -> Result<Process> {
        spawn(self, Stdio::inherit, Stdio::inherit)
    }
}

/// Starts the process, with these for streams that are not set. Blocks this thread while the program is
/// [busy](is_busy), but not for long.
pub(super) fn spawn(
    command: &Command,
    input: impl Fn() -> Stdio,
    output: impl Fn() -> Stdio,
) -> Result<Process> {
    for pause in pauses(PAUSES_OF_THREADS) {
        match attempt(command, &input, &output) {
            Err(error) if is_busy(&error) => thread::sleep(pause),
            result => return result,
        }
    }
    attempt(command, input, output)
}

/// Starts the process, with these for streams that are not set. Waits while the program is [busy](is_busy).
pub(super) async fn start(
    command: &Command,
    input: impl Fn() -> Stdio,
    output: impl Fn() -> Stdio,
) -> Result<Process> {
    for pause in pauses(PAUSES_OF_TASKS) {
        match attempt(command, &input, &output) {
            // In real time, also where the clock is a virtual one.
            Err(error) if is_busy(&error) => to_thread::for_waiting(move || thread::sleep(pause)).await?,
            result => return result,
        }
    }
    attempt(command, input, output)
}

/// How long to wait first before a busy program is tried again. Each further pause is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);

/// How many pauses tasks make, which take half a second in all, and how many threads that cannot do anything else
/// meanwhile: an eighth of a second.
const PAUSES_OF_TASKS: u32 = 10;
const PAUSES_OF_THREADS: u32 = 8;

fn pauses(count: u32) -> impl Iterator<Item = Duration> {
    (0..count).map(|number| SHORTEST_PAUSE * 2_u32.pow(number))
}

/// Whether a program cannot be run because someone has it open for writing. That need not be so for long: a process that
/// is being started has what this one has open until the system gets round to closing it, so a program that was written
/// and closed is busy while another process is started. Nothing tells when that is over.
fn is_busy(error: &Error) -> bool {
    error.raw_os_error() == Some(libc::ETXTBSY)
}

fn attempt(command: &Command, input: impl Fn() -> Stdio, output: impl Fn() -> Stdio) -> Result<Process> {
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
    let spawned = match prepared.spawn() {
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
            // Most C libraries have a shell read what the system does not know how to run, but not when they are asked by
            // way of `posix_spawn`. What a program is does not depend on how it is started.
            // SAFETY: it does nothing.
            unsafe { prepared.pre_exec(|| Ok(())) };
            prepared.spawn()
        }
        spawned => spawned,
    };
    let mut child = spawned.map_err(|error| command.directory_error().unwrap_or_else(|| failed(error)))?;
    let stdout = shared.or(child.stdout.take().map(OwnedFd::from));
    Ok(Process {
        stdin: child.stdin.take().map(|pipe| ChildStdin::new(pipe.into())),
        stdout: stdout.map(ChildStdout::new),
        stderr: child.stderr.take().map(|pipe| ChildStderr::new(pipe.into())),
        child: Core::with(|core| Child::new(core, child.id(), leads_group, command.kill_on_drop)),
        ending: command.ending,
    })
}

impl Command {
    /// What keeps the process from entering its working folder, if anything does. The system does not tell that from what
    /// is wrong with the program.
    fn directory_error(&self) -> Option<Error> {
        let directory = self.directory.as_ref()?;
        let entered = fs::metadata(directory).and_then(|metadata| match metadata.is_dir() {
            true => check(access(directory)?),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        entered.err().map(|error| Error::of_operation(error, "enter the working folder", directory.display()))
    }
}

/// Whether this process may enter a folder, as the system has it.
fn access(directory: &Path) -> io::Result<i32> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    // SAFETY: the path ends in a zero byte.
    Ok(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) })
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
