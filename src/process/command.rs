//! What process to start, and how.

use super::Stdio;
use crate::signal::Signal;
use std::{
    ffi::{OsStr, OsString},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

/// How a child stands to process groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// One of its own, unless it is connected to the terminal that this process reads from.
    Suitable,
    /// That of this process.
    Inherited,
    /// That of this number, or with 0 one of its own.
    Number(i32),
}

/// A user or a group.
#[derive(Debug, Clone)]
pub(super) enum Account {
    Number(u32),
    Name(OsString),
}

/// A change of the child's environment.
#[derive(Debug)]
pub(super) enum EnvironmentChange {
    Set(OsString, OsString),
    Remove(OsString),
    Clear,
}

/// What process to start, and how. It can be started several times.
///
/// It looks like [`std::process::Command`]; what is different is what becomes of the process when nobody waits for it any
/// more. Unless it is told otherwise, a process that is [dropped](super::Process) is killed with all that it has started, and one
/// whose scope is cancelled is asked to end first and killed when it has not after five seconds. To that end a child leads
/// a process group of its own; only when its standard input is this process's and that is a terminal it stays in the group
/// of this process, so that it can use the terminal.
///
/// ```
/// use anyio::process::Command;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let output = Command::new("echo").arg("hello").output().await?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Command {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<EnvironmentChange>,
    pub(super) directory: Option<PathBuf>,
    pub(super) stdin: Option<Stdio>,
    pub(super) stdout: Option<Stdio>,
    pub(super) stderr: Option<Stdio>,
    pub(super) user: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) extra_groups: Option<Vec<Account>>,
    pub(super) passed: Vec<OwnedFd>,
    pub(super) umask: Option<u32>,
    pub(super) process_group: Group,
    pub(super) new_session: bool,
    pub(super) kill_on_drop: bool,
    pub(super) ending: Ending,
    pub(super) input: Option<Vec<u8>>,
    pub(super) check: bool,
}

/// How a process is ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) signal: Signal,
    pub(super) grace: Duration,
}

impl Command {
    /// A program without arguments. It is looked for in the folders of `PATH` if its name has no slash. A script without a
    /// `#!` is read by `/bin/sh` where the C library has it so, as all but a few do, whatever else is set.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            stdin: None,
            stdout: None,
            stderr: None,
            user: None,
            group: None,
            extra_groups: None,
            passed: Vec::new(),
            umask: None,
            process_group: Group::Suitable,
            new_session: false,
            kill_on_drop: true,
            ending: Ending { signal: Signal::SIGTERM, grace: Duration::from_secs(5) },
            input: None,
            check: true,
        }
    }

    /// A line for the shell, `/bin/sh`. Never put into it what you have not written yourself.
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        let mut command = Self::new("/bin/sh");
        command.arg("-c").arg(line);
        command
    }

    /// The program.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// The program and its arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        std::iter::once(&*self.program).chain(self.arguments.iter().map(OsString::as_os_str))
    }

    /// Appends an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// Sets a variable of the child's environment. The others are those of this process.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let change = EnvironmentChange::Set(name.as_ref().to_owned(), value.as_ref().to_owned());
        self.environment.push(change);
        self
    }

    /// Sets variables of the child's environment.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Takes a variable out of the child's environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.push(EnvironmentChange::Remove(name.as_ref().to_owned()));
        self
    }

    /// Empties the child's environment; what is set afterwards counts.
    pub fn env_clear(&mut self) -> &mut Self {
        self.environment.push(EnvironmentChange::Clear);
        self
    }

    /// Sets the child's working folder. It should be absolute if the program's path is not.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets what the child's standard input is connected to. If this is not called it depends on how the process is
    /// started: see [`spawn`](Self::spawn), [`output`](Self::output), [`run`](super::run()) and [`open`](super::open()).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Sets what the child's standard output is connected to.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Sets what the child's standard error is connected to.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Sets the number of the user as whom the child runs. If this process is root, the child gets no supplementary groups
    /// unless [`groups`](Self::groups) sets some. The system has to copy this process to start such a child, which takes
    /// longer the more memory it has; so do all the
    /// other settings of users and groups, `umask`, `start_new_session` and `pass_fd`.
    pub fn uid(&mut self, user: u32) -> &mut Self {
        self.user = Some(Account::Number(user));
        self
    }

    /// Sets the name of the user as whom the child runs: see [`uid`](Self::uid). It is looked up when the process is
    /// started, which fails with [`NotFound`](std::io::ErrorKind::NotFound) if there is no such user. The child's group
    /// stays; [`gid`](Self::gid) or [`group`](Self::group) sets it.
    pub fn user(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.user = Some(Account::Name(name.as_ref().to_owned()));
        self
    }

    /// Sets the number of the child's group.
    pub fn gid(&mut self, group: u32) -> &mut Self {
        self.group = Some(Account::Number(group));
        self
    }

    /// Sets the name of the child's group, which is looked up when the process is started.
    pub fn group(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.group = Some(Account::Name(name.as_ref().to_owned()));
        self
    }

    /// Sets the numbers of the child's supplementary groups.
    pub fn groups(&mut self, groups: impl Into<Vec<u32>>) -> &mut Self {
        self.extra_groups = Some(groups.into().into_iter().map(Account::Number).collect());
        self
    }

    /// Sets the names of the child's supplementary groups, which are looked up when the process is started.
    pub fn group_names(&mut self, names: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        let names = names.into_iter().map(|name| Account::Name(name.as_ref().to_owned()));
        self.extra_groups = Some(names.collect());
        self
    }

    /// Passes an open file, pipe or socket on to the child, where it has the same number. (Numbers 0 to 2 are those of
    /// the standard streams.) A command that is started several times passes it each time; it is closed in this process
    /// with the command.
    ///
    /// ```
    /// use anyio::process::Command;
    /// use std::{io::Write, os::fd::AsRawFd};
    ///
    /// # anyio::run(async || -> anyio::Result<()> {
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"a secret")?;
    /// drop(writer);
    /// let mut command = Command::new("cat");
    /// command.arg(format!("/dev/fd/{}", reader.as_raw_fd()));
    /// assert_eq!(command.pass_fd(reader).output().await?.stdout, b"a secret");
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn pass_fd(&mut self, descriptor: impl Into<OwnedFd>) -> &mut Self {
        self.passed.push(descriptor.into());
        self
    }

    /// Passes several of them on: see [`pass_fd`](Self::pass_fd).
    pub fn pass_fds(&mut self, descriptors: impl IntoIterator<Item = impl Into<OwnedFd>>) -> &mut Self {
        self.passed.extend(descriptors.into_iter().map(Into::into));
        self
    }

    /// Sets which permissions files lack that the child makes, such as `0o022`.
    pub fn umask(&mut self, mask: u32) -> &mut Self {
        self.umask = Some(mask);
        self
    }

    /// Puts the child into the process group of this number, or with 0 into one of its own.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.process_group = Group::Number(group);
        self
    }

    /// Leaves the child in the process group of this process. Then ending it does not reach what it has started.
    pub fn inherit_process_group(&mut self) -> &mut Self {
        self.process_group = Group::Inherited;
        self
    }

    /// Lets the child begin a session of its own, without a terminal. It leads a process group, too.
    pub fn start_new_session(&mut self, new: bool) -> &mut Self {
        self.new_session = new;
        self
    }

    /// Whether the process is killed when its [`Process`](super::Process) is dropped before it has ended. It is by default; else it goes on
    /// by itself. Either way it is reaped when it ends.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Sets which signal asks the process to end when it is [stopped](super::Process::stop) or its scope is cancelled, and how
    /// long it gets before it is killed. `SIGTERM` and five seconds by default. With a time of zero it is killed at once.
    pub fn ending(&mut self, signal: Signal, grace: Duration) -> &mut Self {
        self.ending = Ending { signal, grace };
        self
    }

    /// Sets what [`run`](super::run()) gives the process to read. An empty input is one, too: the child sees the end at once.
    pub fn input(&mut self, input: impl Into<Vec<u8>>) -> &mut Self {
        self.input = Some(input.into());
        self
    }

    /// Whether it is an error for [`run`](super::run()) if the process ends with another status than success. It is by default.
    pub fn check(&mut self, check: bool) -> &mut Self {
        self.check = check;
        self
    }
}

/// What names a process to start: a [`Command`], a line for the shell (a string), or a program with its arguments (an
/// array, a slice or a vector of strings).
pub trait IntoCommand {
    /// The command, or a reference to it.
    type Command: std::borrow::BorrowMut<Command>;

    /// Makes a command.
    fn into_command(self) -> Self::Command;
}

impl IntoCommand for Command {
    type Command = Command;

    fn into_command(self) -> Command {
        self
    }
}

impl<'a> IntoCommand for &'a mut Command {
    type Command = &'a mut Command;

    fn into_command(self) -> &'a mut Command {
        self
    }
}

impl IntoCommand for &str {
    type Command = Command;

    fn into_command(self) -> Command {
        Command::shell(self)
    }
}

impl IntoCommand for &String {
    type Command = Command;

    fn into_command(self) -> Command {
        Command::shell(self)
    }
}

impl IntoCommand for String {
    type Command = Command;

    fn into_command(self) -> Command {
        Command::shell(self)
    }
}

impl<S: AsRef<OsStr>> IntoCommand for &[S] {
    type Command = Command;

    /// An empty list gives a command that cannot be started.
    fn into_command(self) -> Command {
        let mut command = Command::new(self.first().map_or(OsStr::new(""), AsRef::as_ref));
        command.args(self.iter().skip(1));
        command
    }
}

impl<S: AsRef<OsStr>, const N: usize> IntoCommand for [S; N] {
    type Command = Command;

    fn into_command(self) -> Command {
        self.as_slice().into_command()
    }
}

impl<S: AsRef<OsStr>, const N: usize> IntoCommand for &[S; N] {
    type Command = Command;

    fn into_command(self) -> Command {
        self.as_slice().into_command()
    }
}

impl<S: AsRef<OsStr>> IntoCommand for Vec<S> {
    type Command = Command;

    fn into_command(self) -> Command {
        self.as_slice().into_command()
    }
}

impl<S: AsRef<OsStr>> IntoCommand for &Vec<S> {
    type Command = Command;

    fn into_command(self) -> Command {
        self.as_slice().into_command()
    }
}
