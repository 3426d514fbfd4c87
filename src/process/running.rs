//! The children of a run that were not reaped.

use crate::runtime::{Companion, Core};
use libc::pid_t;
use std::{cell::RefCell, mem, rc::Rc};

/// Which children a run has started and not reaped yet. A virtual clock waits for those that have not ended.
#[derive(Debug, Default)]
pub(super) struct Processes(RefCell<Vec<pid_t>>);

impl Processes {
    pub(super) fn of(core: &Core) -> Rc<Self> {
        core.companions().of_kind()
    }

    pub(super) fn add(&self, pid: pid_t) {
        self.0.borrow_mut().push(pid);
    }

    /// Forgets one that was or may be reaped, since its number may soon be another's.
    pub(super) fn remove(&self, pid: pid_t) {
        self.0.borrow_mut().retain(|&known| known != pid);
    }
}

impl Companion for Processes {
    /// Nothing tells the end of a process for which no task waits.
    fn awaits_an_end(&self) -> bool {
        self.0.borrow().iter().any(|&pid| is_running(pid))
    }
}

fn is_running(pid: pid_t) -> bool {
    // SAFETY: all zeroes is a valid record, and one of no process.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: the record is this function's own. The child is left to be reaped.
    let asked = unsafe {
        libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    // A record that was left as it is says that there is nothing to tell; an error, that others have reaped the child.
    asked == 0 && info.si_signo == 0
}
