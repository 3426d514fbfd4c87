//! Which signal.

use libc::c_int;
use std::fmt;

/// A signal of the operating system, such as [`Signal::SIGTERM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(c_int);

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident)*) => {
        impl Signal {
            $($(#[$doc])* pub const $name: Self = Self(libc::$name);)*

            /// The signal's name, such as `SIGTERM`, or `None` for one without (a real-time signal).
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    /// The process was told to abort.
    SIGABRT
    /// A timer set by `alarm` expired.
    SIGALRM
    /// Access to memory that is not there. Cannot be received.
    SIGBUS
    /// A child process ended, stopped or went on.
    SIGCHLD
    /// Go on after a stop.
    SIGCONT
    /// An impossible calculation. Cannot be received.
    SIGFPE
    /// The terminal is gone; for many services: read the configuration again.
    SIGHUP
    /// An instruction that does not exist. Cannot be received.
    SIGILL
    /// The user pressed Ctrl-C.
    SIGINT
    /// A descriptor is ready.
    SIGIO
    /// End at once. Cannot be received.
    SIGKILL
    /// Writing to a pipe that nobody reads. Rust programs ignore it.
    SIGPIPE
    /// A profiling timer expired.
    SIGPROF
    /// The user pressed Ctrl-\.
    SIGQUIT
    /// Access to memory that is not the process's. Cannot be received.
    SIGSEGV
    /// Stop at once. Cannot be received.
    SIGSTOP
    /// A system call that does not exist.
    SIGSYS
    /// End, please.
    SIGTERM
    /// A debugger's breakpoint.
    SIGTRAP
    /// The user pressed Ctrl-Z.
    SIGTSTP
    /// Reading from the terminal in the background.
    SIGTTIN
    /// Writing to the terminal in the background.
    SIGTTOU
    /// Urgent data on a socket.
    SIGURG
    /// Free to use.
    SIGUSR1
    /// Free to use.
    SIGUSR2
    /// A timer of processor time expired.
    SIGVTALRM
    /// The terminal's size changed.
    SIGWINCH
    /// The limit of processor time was reached.
    SIGXCPU
    /// The limit of file size was reached.
    SIGXFSZ
}

impl Signal {
    /// The signal of this number, or `None` if no signal has it on this host.
    pub fn from_raw(number: i32) -> Option<Self> {
        (1..=last()).contains(&number).then_some(Self(number))
    }

    /// The operating system's number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Whether it makes sense to catch the signal: the system keeps two for itself, and a handler that returns after
    /// a fault of the processor would be called again for ever.
    pub(crate) fn can_be_received(self) -> bool {
        !matches!(
            self.0,
            libc::SIGKILL | libc::SIGSTOP | libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL
        )
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn last() -> c_int {
    libc::SIGRTMAX()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn last() -> c_int {
    libc::SIGUSR2
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names_and_numbers() {
        assert_eq!(Signal::from_raw(libc::SIGTERM), Some(Signal::SIGTERM));
        assert_eq!(Signal::SIGTERM.as_raw(), libc::SIGTERM);
        assert_eq!(Signal::SIGTERM.to_string(), "SIGTERM");
        assert_eq!(Signal::from_raw(0), None);
        assert_eq!(Signal::from_raw(-1), None);
        assert_eq!(Signal::from_raw(last() + 1), None);
    }
}
