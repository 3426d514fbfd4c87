//! How many system calls a server makes, counted by the kernel at its tracepoint for all of them.
//!
//! The kernel needs `CONFIG_FTRACE_SYSCALLS`, the tracing file system has to be mounted, and counting takes root or
//! its like. Every system call of the machine is slower while somebody counts.
//!
//! The unsafe blocks pass a pointer to a live local value to a system call that does not keep it, and take over the
//! descriptor that the call just returned.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::{FromRawFd, RawFd},
};

use anyhow::Context;

/// Where the tracing file system may be mounted.
const IDS: [&str; 2] = [
    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
];

const TYPE_TRACEPOINT: u32 = 2;
const FLAG_CLOSE_ON_EXEC: libc::c_ulong = 8;

/// The first version of the kernel's `perf_event_attr`, whose length all later kernels take.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

/// Counts the system calls of all threads that a process has now, until it is dropped.
pub(crate) struct SystemCalls(Vec<File>);

impl SystemCalls {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let id = IDS.iter().find_map(|path| fs::read_to_string(path).ok());
        let id = id.context("the tracing file system is not mounted")?.trim().parse()?;
        let mut counters = Vec::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.file_name().into_string().ok().and_then(|name| name.parse().ok());
            counters.push(counter(id, thread.context("a thread's name is no number")?)?);
        }
        Ok(Self(counters))
    }

    /// How many there were so far.
    pub(crate) fn read(&self) -> io::Result<u64> {
        let mut sum = 0;
        for mut counter in &self.0 {
            let mut count = [0; size_of::<u64>()];
            counter.read_exact(&mut count)?;
            sum += u64::from_ne_bytes(count);
        }
        Ok(sum)
    }
}

fn counter(tracepoint: u64, thread: libc::pid_t) -> io::Result<File> {
    let attributes = Attributes {
        kind: TYPE_TRACEPOINT,
        size: size_of::<Attributes>() as u32,
        config: tracepoint,
        ..Attributes::default()
    };
    let (any_processor, no_group): (libc::c_int, RawFd) = (-1, -1);
    // SAFETY: the pointer is to live attributes of the size that they name.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &attributes,
            thread,
            any_processor,
            no_group,
            FLAG_CLOSE_ON_EXEC,
        )
    };
    match RawFd::try_from(descriptor) {
        // SAFETY: the call just gave this descriptor to us alone.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { File::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
