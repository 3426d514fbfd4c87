//! What a server process used, read from outside by its id.
//!
//! The unsafe blocks only pass pointers to live local values to system calls that do not keep them.

use std::{fs, io, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The processor time of another process with all its threads, to the nanosecond.
///
/// The kernel adds a running thread's time when it is switched out, so read it while the process is idle.
pub(crate) struct CpuClock(libc::clockid_t);

impl CpuClock {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let mut clock = 0;
        // SAFETY: the pointer is to a live clockid_t.
        match unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) } {
            0 => Ok(Self(clock)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    pub(crate) fn now(&self) -> io::Result<Duration> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a live timespec.
        if unsafe { libc::clock_gettime(self.0, &mut time) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

/// How long the main thread was ready to run and had to wait for its processor: the trace of a disturbance.
pub(crate) fn run_queue_wait(pid: u32) -> anyhow::Result<Duration> {
    let text = read(pid, "schedstat")?;
    let wait = text.split_ascii_whitespace().nth(1).and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(wait.context("schedstat has another form than expected")?))
}

/// Counters that are too coarse for a slice and are compared over a whole cell.
#[derive(Clone, Copy)]
pub(crate) struct Counters {
    user_ticks: u64,
    system_ticks: u64,
    voluntary_switches: u64,
    involuntary_switches: u64,
}

/// The growth of [`Counters`] over a cell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

impl Counters {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let (user_ticks, system_ticks) =
            processor_ticks(&read(pid, "stat")?).context("stat has another form than expected")?;
        let mut counters = Self { user_ticks, system_ticks, voluntary_switches: 0, involuntary_switches: 0 };
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = fs::read_to_string(thread?.path().join("status"))?;
            counters.voluntary_switches += field(&status, "voluntary_ctxt_switches").unwrap_or(0);
            counters.involuntary_switches += field(&status, "nonvoluntary_ctxt_switches").unwrap_or(0);
        }
        Ok(counters)
    }

    pub(crate) fn since(&self, earlier: &Self) -> Growth {
        Growth {
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_sub(earlier.involuntary_switches),
        }
    }
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// Pages that several processes share count for each of them in part.
    pub(crate) proportional: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let text = read(pid, "smaps_rollup")?;
        let kibibytes = |name| field(&text, name).with_context(|| format!("smaps_rollup names no {name}"));
        Ok(Self { resident: kibibytes("Rss")? * 1024, proportional: kibibytes("Pss")? * 1024 })
    }
}

/// Resident memory in bytes.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let kibibytes = field(&read(pid, "status")?, "VmRSS").context("status names no VmRSS")?;
    Ok(kibibytes * 1024)
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| path)
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// User and system ticks from /proc/PID/stat; the command's name before them may hold spaces and brackets.
fn processor_ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_with_brackets_and_spaces() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 31 42 0 0 20 0";
        assert_eq!(processor_ticks(stat), Some((31, 42)));
    }

    #[test]
    fn a_status_field_is_found_by_its_whole_name() {
        let status = "VmRSS:\t  5120 kB\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(field(status, "VmRSS"), Some(5120));
        assert_eq!(field(status, "voluntary_ctxt_switches"), Some(3));
        assert_eq!(field(status, "nonvoluntary_ctxt_switches"), Some(4));
        assert_eq!(field(status, "Vm"), None);
    }

    #[test]
    fn the_processor_clock_grows_while_the_process_works() {
        let clock = CpuClock::of(std::process::id()).unwrap();
        let before = clock.now().unwrap();
        while clock.now().unwrap() <= before {
            std::hint::black_box(0);
        }
    }

    #[test]
    fn a_process_that_does_not_exist_has_no_clock_and_no_counters() {
        // Process ids stay below 2²².
        let nobody = 1 << 22;
        assert!(CpuClock::of(nobody).is_err());
        assert!(Counters::of(nobody).is_err());
    }
}
