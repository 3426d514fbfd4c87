//! What was found at set-up, for people to read.

use crate::{
    Options,
    probe::Support,
    setup::{Setup, SetupFlags},
};
use anyio_driver::{BufferPool, OpKind};
use std::fmt;

/// Which part of io_uring a [`Finding`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A flag with which the ring is set up.
    SetupFlag,
    /// Something the kernel offers.
    Feature,
    /// An operation.
    Operation,
}

/// One thing of which the driver makes use where it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Which part of io_uring this is about.
    pub part: Part,
    /// Its name.
    pub name: &'static str,
    /// Whether it is in use.
    pub in_use: bool,
    /// What it is good for, or why it is not in use and what happens instead.
    pub note: &'static str,
}

/// What a [`UringDriver`](crate::UringDriver) found when it was set up.
#[derive(Debug, Clone)]
pub struct Report {
    /// Entries of the submission queue.
    pub submission_entries: u32,
    /// Entries of the completion queue.
    pub completion_entries: u32,
    /// Buffers in the ring for pooled receives.
    pub buffers: u16,
    /// The size of each of these buffers in bytes.
    pub buffer_size: usize,
    /// How many threads of the kernel may do what works on files, if the kernel tells (Linux 5.15).
    pub kernel_workers: Option<u32>,
    /// Each flag, feature and operation.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(
        setup: &Setup,
        support: &Support,
        registered: bool,
        pool: &BufferPool,
        options: &Options,
    ) -> Self {
        let mut findings = Vec::new();
        setup_flags(setup.flags, &mut findings);
        features(setup, support, registered, &mut findings);
        by_option(setup, support, options, &mut findings);
        findings.extend(OpKind::ALL.iter().map(|&kind| Finding {
            part: Part::Operation,
            name: operation_name(kind),
            in_use: support.kind(kind),
            note: if support.kind(kind) { "supported" } else { missing_operation(kind) },
        }));
        let parameters = setup.io.params();
        Self {
            submission_entries: parameters.sq_entries(),
            completion_entries: parameters.cq_entries(),
            buffers: pool.provided(),
            buffer_size: pool.buffer_size(),
            kernel_workers: setup.workers,
            findings,
        }
    }
}

fn setup_flags(flags: SetupFlags, findings: &mut Vec<Finding>) {
    let mut add = |name, in_use, good, missing| {
        let note = if in_use { good } else { missing };
        findings.push(Finding { part: Part::SetupFlag, name, in_use, note });
    };
    add("IORING_SETUP_CQSIZE", true, "more completions than entries", "");
    add("IORING_SETUP_CLAMP", true, "sizes beyond the limit are reduced to it", "");
    add(
        "IORING_SETUP_SUBMIT_ALL",
        flags.submit_all,
        "an invalid entry does not hold up those after it",
        "refused; needs Linux 5.18. Entries after an invalid one cost another system call",
    );
    add(
        "IORING_SETUP_SINGLE_ISSUER",
        flags.single_issuer,
        "the kernel takes fewer locks",
        "refused; needs Linux 6.0",
    );
    add(
        "IORING_SETUP_DEFER_TASKRUN",
        flags.defer_taskrun,
        "completions are made when they are asked for, in batches",
        "refused; needs Linux 6.1. Completions interrupt the program now and then",
    );
    add(
        "IORING_SETUP_COOP_TASKRUN",
        flags.cooperative,
        "completions wait for the next system call",
        if flags.defer_taskrun {
            "not needed beside IORING_SETUP_DEFER_TASKRUN"
        } else {
            "refused; needs Linux 5.19. Completions interrupt the program"
        },
    );
    add(
        "IORING_SETUP_TASKRUN_FLAG",
        flags.taskrun_flag,
        "a turn without need enters no kernel",
        "refused; needs Linux 5.19",
    );
    add(
        "IORING_SETUP_NO_SQARRAY",
        flags.no_array,
        "entries are read in order without an index",
        "refused; needs Linux 6.6",
    );
}

fn features(setup: &Setup, support: &Support, registered: bool, findings: &mut Vec<Finding>) {
    let mut add = |name, in_use, good, missing| {
        let note = if in_use { good } else { missing };
        findings.push(Finding { part: Part::Feature, name, in_use, note });
    };
    let parameters = setup.io.params();
    add("no dropped completions", parameters.is_feature_nodrop(), "required", "missing");
    add("time-outs of waits", parameters.is_feature_ext_arg(), "required", "missing");
    add(
        "registered ring descriptor",
        registered,
        "the kernel finds the ring without counting references",
        "refused; needs Linux 5.18 and at most 15 other such rings in the thread",
    );
    add(
        "waits that are no I/O waits",
        parameters.is_feature_no_iowait(),
        "an idle program is not counted as waiting for a disk",
        "missing; needs Linux 6.15. Monitoring may show an idle program as pressure on I/O",
    );
    add(
        "skipped completions",
        support.skip_success,
        "cancels and closes that succeed make no completion",
        "missing; needs Linux 5.17. They make one, which is ignored",
    );
    add(
        "ring of buffers",
        support.buffers,
        "a receive takes its buffer when data has come",
        "missing or switched off; needs Linux 5.19. Receives bring a buffer of their own",
    );
    add(
        "multishot receive",
        support.multishot_receive,
        "one entry serves a stream for long",
        "missing; needs Linux 6.0 and the ring of buffers. Each receive is one entry",
    );
}

/// What is used only if it is asked for.
fn by_option(setup: &Setup, support: &Support, options: &Options, findings: &mut Vec<Finding>) {
    let mut add = |name, in_use, note| findings.push(Finding { part: Part::Feature, name, in_use, note });
    let (in_use, note) = match (options.zero_copy_sends.is_some(), support.zero_copy) {
        (_, false) => (false, "missing; needs Linux 6.2. All sends are copied"),
        (false, true) => (false, "not asked for. All sends are copied"),
        (true, true) => (true, "long sends to other hosts are not copied"),
    };
    add("sends without a copy", in_use, note);
    let (in_use, note) = match setup.busy_poll {
        None => (false, "not asked for. Devices interrupt when something has come"),
        Some(false) => (false, "refused; needs Linux 6.9 with CONFIG_NET_RX_BUSY_POLL. Waits are as always"),
        Some(true) => (true, "waits look at the queues of network devices before they sleep"),
    };
    add("busy polling of devices (NAPI)", in_use, note);
}

fn operation_name(kind: OpKind) -> &'static str {
    match kind {
        OpKind::ReceivePooled => "receive into a pool buffer",
        OpKind::ReceiveMultishot => "receive again and again",
        OpKind::ReceiveMessages => "recvmsg again and again",
        _ => kind.name(),
    }
}

fn missing_operation(kind: OpKind) -> &'static str {
    match kind {
        OpKind::WaitProcess => "missing; needs Linux 6.7. Processes are waited for in another way",
        OpKind::Truncate => "missing; needs Linux 6.9. A thread does it",
        OpKind::ReceivePooled => "missing; needs the ring of buffers",
        OpKind::ReceiveMultishot => "missing; needs multishot receive",
        OpKind::ReceiveMessages => "missing; needs multishot receive. Each datagram is one entry",
        _ => "missing in this kernel. A thread does it",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "submission queue: {} entries", self.submission_entries)?;
        writeln!(f, "completion queue: {} entries", self.completion_entries)?;
        writeln!(f, "ring of buffers: {} of {} bytes", self.buffers, self.buffer_size)?;
        for finding in &self.findings {
            let mark = if finding.in_use { "yes" } else { "no " };
            writeln!(f, "{mark} {}: {}", finding.name, finding.note)?;
        }
        Ok(())
    }
}
