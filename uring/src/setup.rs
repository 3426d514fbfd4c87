//! Setting up a ring with as much as the kernel offers.

use crate::{Options, SetupCause, SetupError, entry::opcode_of};
use anyio_driver::OpKind;
use io_uring::{IoUring, Probe, opcode, types::Napi};
use std::{num::NonZeroU32, time::Duration};

/// The flags with which a ring is set up, beyond those each kernel in question has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SetupFlags {
    pub(crate) submit_all: bool,
    pub(crate) cooperative: bool,
    pub(crate) taskrun_flag: bool,
    pub(crate) single_issuer: bool,
    pub(crate) defer_taskrun: bool,
    pub(crate) no_array: bool,
}

/// What to ask for, the newest kernels first. Each step leaves out what the one before needs beyond the next older
/// kernel.
pub(crate) const STEPS: [SetupFlags; 6] = {
    let oldest = SetupFlags {
        submit_all: false,
        cooperative: false,
        taskrun_flag: false,
        single_issuer: false,
        defer_taskrun: false,
        no_array: false,
    };
    let linux_5_18 = SetupFlags { submit_all: true, ..oldest };
    let linux_5_19 = SetupFlags { cooperative: true, taskrun_flag: true, ..linux_5_18 };
    let linux_6_0 = SetupFlags { single_issuer: true, ..linux_5_19 };
    let linux_6_1 = SetupFlags { defer_taskrun: true, cooperative: false, ..linux_6_0 };
    let linux_6_6 = SetupFlags { no_array: true, ..linux_6_1 };
    [linux_6_6, linux_6_1, linux_6_0, linux_5_19, linux_5_18, oldest]
};

/// A ring, the flags it has, and what the kernel can do with it.
pub(crate) struct Setup {
    pub(crate) io: IoUring,
    pub(crate) flags: SetupFlags,
    pub(crate) probe: Probe,
    /// How many threads of the kernel may work on files, if it tells.
    pub(crate) workers: Option<u32>,
    /// Whether the kernel polls devices for this ring, if that was asked for.
    pub(crate) busy_poll: Option<bool>,
}

/// Sets up a ring with the first of `steps` that the kernel accepts.
pub(crate) fn set_up(options: &Options, steps: &[SetupFlags]) -> Result<Setup, SetupError> {
    let mut refused = None;
    for &flags in steps {
        match build(options, flags) {
            Ok(io) => {
                let probe = examine(&io, &options.masked)?;
                let workers = allow_workers(&io, options.kernel_workers);
                let busy_poll = options.busy_poll.map(|time| poll_devices(&io, time));
                return Ok(Setup { io, flags, probe, workers, busy_poll });
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refused = Some(error),
            Err(error) => return Err(SetupError::from_setup(error)),
        }
    }
    Err(refused.map_or_else(|| SetupError::too_old("any way to set up a ring"), SetupError::from_setup))
}

fn build(options: &Options, flags: SetupFlags) -> std::io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_clamp().setup_cqsize(options.completion_queue());
    if flags.submit_all {
        builder.setup_submit_all();
    }
    if flags.cooperative {
        builder.setup_coop_taskrun();
    }
    if flags.taskrun_flag {
        builder.setup_taskrun_flag();
    }
    if flags.single_issuer {
        builder.setup_single_issuer();
    }
    if flags.defer_taskrun {
        builder.setup_defer_taskrun();
    }
    if flags.no_array {
        builder.setup_no_sqarray();
    }
    builder.build(options.submission_queue())
}

/// How many threads of the kernel may do what this ring's thread asks for on files at a time. Left to itself the kernel
/// has four for each processor, and as many openings that wait, as on a slow server, would keep all others waiting.
const LEAST_WORKERS: u32 = 64;

/// Lets the kernel have so many threads for files, or at least [`LEAST_WORKERS`], and gives how many it may have. It starts
/// them as they are needed. One that knows no such bound, before 5.15, goes on with its own.
fn allow_workers(io: &IoUring, wanted: Option<NonZeroU32>) -> Option<u32> {
    let mut bounds = [0, 0];
    io.submitter().register_iowq_max_workers(&mut bounds).ok()?;
    let wanted = wanted.map_or(bounds[0].max(LEAST_WORKERS), NonZeroU32::get);
    if wanted != bounds[0] && io.submitter().register_iowq_max_workers(&mut [wanted, 0]).is_ok() {
        // The kernel has a limit of its own.
        let mut bounds = [0, 0];
        io.submitter().register_iowq_max_workers(&mut bounds).ok()?;
        return Some(bounds[0]);
    }
    Some(bounds[0])
}

/// Has waits poll the queues of network devices for so long before they sleep. False if the kernel does not.
fn poll_devices(io: &IoUring, time: Duration) -> bool {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    let mut settings = Napi::new().set_busy_poll_timeout(micros).set_prefer_busy_poll(true);
    io.submitter().register_napi(&mut settings).is_ok()
}

/// The kinds of operations for which nothing stands in: they may wait for others for any length of time, which neither a
/// thread nor a call can. All else a kernel may lack, and only that is then done otherwise.
const REQUIRED: [OpKind; 12] = [
    OpKind::Nop,
    OpKind::Receive,
    OpKind::Send,
    OpKind::ReceiveMessage,
    OpKind::SendMessage,
    OpKind::Accept,
    OpKind::Connect,
    OpKind::Poll,
    OpKind::Read,
    OpKind::Write,
    OpKind::ReadVectored,
    OpKind::WriteVectored,
];

/// Sees to it that everything is there without which the driver can't keep its promises.
fn examine(io: &IoUring, masked: &[OpKind]) -> Result<Probe, SetupError> {
    let parameters = io.params();
    let features = [
        ("IORING_FEAT_NODROP", parameters.is_feature_nodrop()),
        ("IORING_FEAT_SUBMIT_STABLE", parameters.is_feature_submit_stable()),
        ("IORING_FEAT_RW_CUR_POS", parameters.is_feature_rw_cur_pos()),
        ("IORING_FEAT_FAST_POLL", parameters.is_feature_fast_poll()),
        ("IORING_FEAT_EXT_ARG", parameters.is_feature_ext_arg()),
        ("IORING_FEAT_NATIVE_WORKERS", parameters.is_feature_native_workers()),
        ("IORING_FEAT_RSRC_TAGS", parameters.is_feature_resource_tagging()),
    ];
    if let Some((missing, _)) = features.iter().find(|(_, there)| !there) {
        return Err(SetupError::too_old(missing));
    }
    let mut probe = Probe::new();
    io.submitter()
        .register_probe(&mut probe)
        .map_err(|error| SetupError::new(SetupCause::Other { doing: "asking for the opcodes" }, error))?;
    let opcodes = [
        ("IORING_OP_ASYNC_CANCEL", opcode::AsyncCancel::CODE),
        ("IORING_OP_CLOSE", opcode::Close::CODE),
        ("IORING_OP_POLL_ADD", opcode::PollAdd::CODE),
    ];
    if let Some((missing, _)) = opcodes.iter().find(|(_, code)| !probe.is_supported(*code)) {
        return Err(SetupError::too_old(missing));
    }
    let is_missing = |kind: &&OpKind| masked.contains(kind) || !probe.is_supported(opcode_of(**kind));
    match REQUIRED.iter().find(is_missing) {
        Some(missing) => Err(SetupError::missing(*missing)),
        None => Ok(probe),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_a_valid_combination_or_refused_with_einval() {
        skip_unless_selected!();
        for flags in STEPS {
            if let Err(error) = build(&Options::default(), flags) {
                assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{flags:?}");
            }
        }
        assert!(build(&Options::default(), STEPS[STEPS.len() - 1]).is_ok());
    }
}
