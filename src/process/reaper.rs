//! Reaping children, also those whose owners are gone.
//!
//! For the latter there is one thread for the whole process, started when it is first needed, and ended when nothing is left to reap. It asks after
//! each child, with pauses that grow from a millisecond to half a second while nothing happens: most were killed and are
//! gone at once.

use libc::{c_int, pid_t};
use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(500);

/// Reaps a child if it has ended.
pub(super) fn reap(pid: pid_t) -> io::Result<Option<ExitStatus>> {
    let mut status: c_int = 0;
    loop {
        // SAFETY: the status is this function's own.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 => return Ok(None),
            ended if ended == pid => return Ok(Some(ExitStatus::from_raw(status))),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

struct Reaper {
    children: Vec<pid_t>,
    running: bool,
}

static REAPER: Mutex<Reaper> = Mutex::new(Reaper { children: Vec::new(), running: false });
static ADOPTED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Reaper> {
    // No code that can panic runs under the lock.
    REAPER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over a child that nobody else will wait for.
pub(super) fn adopt(pid: pid_t) {
    let mut reaper = lock();
    reaper.children.push(pid);
    if reaper.running {
        ADOPTED.notify_one();
        return;
    }
    match thread::Builder::new().name("anyio-reaper".into()).stack_size(64 * 1024).spawn(reap_all) {
        Ok(_) => reaper.running = true,
        // The next one that is adopted tries again.
        Err(error) => log::warn!("no thread could be started that reaps process {pid}: {error}"),
    }
}

fn reap_all() {
    let mut reaper = lock();
    let mut pause = SHORTEST;
    loop {
        // A child that cannot be waited for was reaped by others.
        reaper.children.retain(|&pid| matches!(reap(pid), Ok(None)));
        if reaper.children.is_empty() {
            reaper.running = false;
            return;
        }
        let before = reaper.children.len();
        let (woken, waited) = ADOPTED.wait_timeout(reaper, pause).unwrap_or_else(PoisonError::into_inner);
        reaper = woken;
        let is_idle = waited.timed_out() && reaper.children.len() == before;
        pause = if is_idle { (pause * 2).min(LONGEST) } else { SHORTEST };
    }
}
