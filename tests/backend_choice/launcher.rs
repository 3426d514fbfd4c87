//! Starts this test's programs on a host that refuses io_uring.
//!
//! # Contract
//! What runs between `fork` and `exec` makes system calls only, with memory that was there before.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    process::Command,
};

/// The user whom `without_locked_memory` runs programs as if it can choose: nobody.
const ORDINARY_USER: u32 = 65534;

/// System calls, by number; they are the same on each kind of machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    first: u32,
    last: u32,
}

impl Refused {
    /// All of io_uring.
    pub(crate) const EVERYTHING: Self = Self { first: 425, last: 427 };
    /// `io_uring_enter` only.
    pub(crate) const ENTER: Self = Self { first: 426, last: 426 };
    /// `io_uring_register` only.
    pub(crate) const REGISTER: Self = Self { first: 427, last: 427 };
}

/// How a program is to be started.
#[derive(Debug, Default)]
pub(crate) struct Launcher {
    refusal: Option<(Refused, i32)>,
    backend: Option<&'static str>,
    environment: Option<OsString>,
    no_locked_memory: bool,
}

impl Launcher {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets these system calls fail with this error.
    pub(crate) fn refuse(mut self, calls: Refused, errno: i32) -> Self {
        self.refusal = Some((calls, errno));
        self
    }

    /// Lets the program ask for this back end.
    pub(crate) fn backend(mut self, name: &'static str) -> Self {
        self.backend = Some(name);
        self
    }

    /// Sets `ANYIO_BACKEND`.
    pub(crate) fn environment(mut self, name: &str) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// Sets `ANYIO_BACKEND` to what is no text.
    pub(crate) fn unreadable_environment(mut self) -> Self {
        self.environment = Some(OsStr::from_bytes(b"\xff").to_owned());
        self
    }

    /// Sets the limit on locked memory to zero, as an ordinary user: it does not count for root.
    pub(crate) fn without_locked_memory(mut self) -> Self {
        self.no_locked_memory = true;
        self
    }

    /// Starts a program and awaits its end.
    ///
    /// # Panics
    /// If it cannot be started, or does not end with a success.
    #[track_caller]
    pub(crate) fn run(&self, program: &str) -> Answers {
        // By this name the program is found even where the ordinary user may not look into the folders above it.
        let mut command = Command::new("/proc/self/exe");
        command.args(["programs::program", "--exact", "--ignored", "--nocapture"]).current_dir("/");
        command.env("TEST_PROGRAM", program).env_remove("TEST_PROGRAM_BACKEND").env_remove("ANYIO_BACKEND");
        command.envs(self.backend.map(|name| ("TEST_PROGRAM_BACKEND", name)));
        command.envs(self.environment.as_ref().map(|name| ("ANYIO_BACKEND", name)));
        if self.no_locked_memory {
            // SAFETY: takes nothing.
            if unsafe { libc::getuid() } == 0 {
                command.uid(ORDINARY_USER).gid(ORDINARY_USER);
            }
            // SAFETY: see the contract.
            unsafe { command.pre_exec(forbid_locked_memory) };
        }
        if let Some((calls, errno)) = self.refusal {
            let filter = filter(calls, errno);
            // SAFETY: see the contract.
            unsafe { command.pre_exec(move || install(&filter)) };
        }
        let output =
            command.output().unwrap_or_else(|error| panic!("{self:?} cannot start {program}: {error}"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{self:?}: {program} ended with {}:\n{text}", output.status);
        Answers::new(text)
    }
}

fn forbid_locked_memory() -> io::Result<()> {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the record is valid.
    succeeded(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &nothing) })
}

/// A filter that answers `errno` to some system calls and lets all others through.
fn filter(calls: Refused, errno: i32) -> [libc::sock_filter; 5] {
    let step = |code: u32, when_true, when_false, k| libc::sock_filter {
        code: code as u16,
        jt: when_true,
        jf: when_false,
        k,
    };
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    [
        // The first field of what the filter gets is the number of the system call.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, calls.first),
        step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, calls.last),
        answer(libc::SECCOMP_RET_ERRNO | errno as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ]
}

fn install(filter: &[libc::sock_filter; 5]) -> io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the first call takes numbers only, the second reads the filter.
    unsafe {
        succeeded(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        succeeded(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

fn succeeded(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What a program has said.
#[derive(Debug)]
pub(crate) struct Answers {
    text: String,
    backends: Vec<String>,
    logged: Vec<String>,
    errors: Vec<String>,
}

impl Answers {
    fn new(text: String) -> Self {
        let marked =
            |mark: &str| text.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect();
        Self { backends: marked("ran: "), logged: marked("log: "), errors: marked("error: "), text }
    }

    /// On which back ends it ran.
    pub(crate) fn backends(&self) -> &[String] {
        &self.backends
    }

    /// Its log.
    pub(crate) fn logged(&self) -> &[String] {
        &self.logged
    }

    /// Why it did not run.
    pub(crate) fn errors(&self) -> &[String] {
        &self.errors
    }

    /// All of it.
    pub(crate) fn said(&self) -> &str {
        &self.text
    }
}
