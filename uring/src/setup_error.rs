//! Why there is no ring.

use anyio_driver::OpKind;
use std::{error, fmt, fs, io};

/// Why a ring could not be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupCause {
    /// The system call is refused (`EPERM` or `EACCES`): by a seccomp filter, as container runtimes install, or by
    /// a security module.
    Refused,
    /// `kernel.io_uring_disabled` is set to this value: 1 leaves io_uring to a privileged group, 2 to nobody.
    Disabled {
        /// The value of the setting.
        value: u8,
    },
    /// The kernel was built without io_uring, or a filter pretends so (`ENOSYS`).
    Absent,
    /// No memory (`ENOMEM`); mostly this means the limit on locked memory.
    Memory {
        /// `RLIMIT_MEMLOCK` of this process in bytes, or `None` if there is no limit.
        locked_limit: Option<u64>,
    },
    /// This process has as many descriptors as it may (`EMFILE`).
    ProcessDescriptors,
    /// The system has as many descriptors as it may (`ENFILE`).
    SystemDescriptors,
    /// The kernel is too old.
    TooOld {
        /// What it lacks.
        missing: &'static str,
    },
    /// The kernel has a ring, but not an operation for which nothing stands in.
    MissingOperation {
        /// Its name.
        name: &'static str,
    },
    /// Something else.
    Other {
        /// What failed.
        doing: &'static str,
    },
}

/// A ring could not be set up. Says why and what can be done about it.
#[derive(Debug)]
pub struct SetupError {
    cause: SetupCause,
    source: io::Error,
}

impl SetupError {
    /// Why.
    pub fn cause(&self) -> SetupCause {
        self.cause
    }

    /// The kind of the kernel's error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The kernel's error number.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    pub(crate) fn new(cause: SetupCause, source: io::Error) -> Self {
        Self { cause, source }
    }

    pub(crate) fn too_old(missing: &'static str) -> Self {
        Self::new(SetupCause::TooOld { missing }, io::Error::from_raw_os_error(libc::EINVAL))
    }

    pub(crate) fn missing(kind: OpKind) -> Self {
        let cause = SetupCause::MissingOperation { name: kind.name() };
        Self::new(cause, io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }

    /// From what `io_uring_setup` or mapping its queues answered.
    pub(crate) fn from_setup(source: io::Error) -> Self {
        let cause = match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => match disabled() {
                Some(value @ 1..) => SetupCause::Disabled { value },
                _ => SetupCause::Refused,
            },
            Some(libc::EINVAL) => SetupCause::TooOld { missing: "a set-up flag of Linux 5.6" },
            _ => return Self::from_resource("setting up the ring", source),
        };
        Self::new(cause, source)
    }

    /// From what a system call answered that only takes resources.
    pub(crate) fn from_resource(doing: &'static str, source: io::Error) -> Self {
        let cause = match source.raw_os_error() {
            Some(libc::ENOSYS) => SetupCause::Absent,
            Some(libc::ENOMEM) => SetupCause::Memory { locked_limit: locked_limit() },
            Some(libc::EMFILE) => SetupCause::ProcessDescriptors,
            Some(libc::ENFILE) => SetupCause::SystemDescriptors,
            _ => SetupCause::Other { doing },
        };
        Self::new(cause, source)
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("io_uring is not available: ")?;
        match self.cause {
            SetupCause::Refused => f.write_str(
                "the system call is refused, most likely by a seccomp filter or a security module; in a container \
                 allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile",
            ),
            SetupCause::Disabled { value: 1 } => f.write_str(
                "kernel.io_uring_disabled is 1; set it to 0, or add this user to the group of \
                 kernel.io_uring_group",
            ),
            SetupCause::Disabled { value } => {
                write!(f, "kernel.io_uring_disabled is {value}; set it to 0")
            }
            SetupCause::Absent => f.write_str(
                "this kernel has no io_uring (CONFIG_IO_URING), or a seccomp filter hides it; it needs Linux 5.15 \
                 or later",
            ),
            SetupCause::Memory { locked_limit: Some(limit) } => write!(
                f,
                "no memory for the ring; RLIMIT_MEMLOCK is {limit} bytes, raise it (ulimit -l) or ask for fewer \
                 entries"
            ),
            SetupCause::Memory { locked_limit: None } => f.write_str(
                "no memory for the ring, although RLIMIT_MEMLOCK is unlimited; ask for fewer entries or raise the \
                 memory limit of the control group",
            ),
            SetupCause::ProcessDescriptors => f.write_str(
                "this process has no descriptors left (RLIMIT_NOFILE); raise the limit (ulimit -n) or close some",
            ),
            SetupCause::SystemDescriptors => {
                f.write_str("the system has no descriptors left; raise fs.file-max or close some")
            }
            SetupCause::TooOld { missing } => {
                write!(f, "this kernel ({}) lacks {missing}; Linux 5.15 or later is needed", release())
            }
            SetupCause::MissingOperation { name } => write!(
                f,
                "the io_uring of this kernel ({}) lacks the operation {name}; use Linux 5.15 or later, or poll",
                release()
            ),
            SetupCause::Other { doing } => write!(f, "{doing}: {}", self.source),
        }
    }
}

impl error::Error for SetupError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self.cause {
            // The text has told of it.
            SetupCause::Other { .. } => self.source.source(),
            _ => Some(&self.source),
        }
    }
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        io::Error::new(error.source.kind(), error)
    }
}

/// The setting that forbids io_uring, where the kernel has it.
fn disabled() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

/// The kernel's release.
fn release() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if text.is_empty() { "of unknown release".to_owned() } else { text.trim().to_owned() }
}

fn locked_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for writing.
    let answer = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    (answer == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: i32) -> String {
        SetupError::from_setup(io::Error::from_raw_os_error(number)).to_string()
    }

    #[test]
    fn each_cause_is_named_with_what_to_do() {
        for (number, words) in [
            (libc::ENOSYS, "5.15"),
            (libc::ENOMEM, "RLIMIT_MEMLOCK"),
            (libc::EMFILE, "ulimit -n"),
            (libc::ENFILE, "fs.file-max"),
            (libc::EINVAL, "5.15"),
            (libc::EIO, "setting up the ring: Input/output error"),
        ] {
            assert!(text(number).contains(words), "{}", text(number));
        }
    }

    #[test]
    fn a_missing_operation_is_named_with_the_kernel_and_what_to_do() {
        let text = SetupError::missing(OpKind::ReceiveMessage).to_string();
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        for words in ["recvmsg", release.trim(), "5.15", "poll"] {
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn the_error_number_survives_the_way_through_io_error() {
        let error = SetupError::from_setup(io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        let error = io::Error::from(error);
        assert!(error.get_ref().is_some_and(|inner| inner.is::<SetupError>()));
    }
}
