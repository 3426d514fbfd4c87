//! What this kernel can do of what operations need.

use crate::{entry::opcode_of, setup::Setup};
use anyio_driver::OpKind;
use io_uring::opcode;

/// What this kernel can do, asked once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Support {
    kinds: u64,
    /// Completions of successes nobody waits for can be left out.
    pub(crate) skip_success: bool,
    /// Buffers are taken from a ring when data has come.
    pub(crate) buffers: bool,
    /// A receive can go on and on.
    pub(crate) multishot_receive: bool,
    /// A send can leave the bytes where they are.
    pub(crate) zero_copy: bool,
    /// What was transferred before a cancellation is told of although the kernel was to go on until it is all
    /// (`MSG_WAITALL`). Kernels before Linux 6.1 forget it.
    pub(crate) keeps_parts: bool,
}

impl Support {
    pub(crate) fn new(setup: &Setup, buffers: bool, masked: &[OpKind]) -> Self {
        let probe = &setup.probe;
        let buffers = buffers && !masked.contains(&OpKind::ReceivePooled);
        // The kernel does not tell whether a receive can go on and on. That came with Linux 6.0, together with
        // this opcode.
        let multishot_receive = buffers
            && probe.is_supported(opcode::SendZc::CODE)
            && !masked.contains(&OpKind::ReceiveMultishot);
        let mut kinds = 0;
        for &kind in OpKind::ALL {
            let possible = match kind {
                OpKind::ReceivePooled => buffers,
                OpKind::ReceiveMultishot | OpKind::ReceiveMessages => multishot_receive,
                _ => true,
            };
            if possible && probe.is_supported(opcode_of(kind)) && !masked.contains(&kind) {
                kinds |= 1 << kind as u8;
            }
        }
        Self {
            kinds,
            skip_success: setup.io.params().is_feature_skip_cqe_on_success(),
            buffers,
            multishot_receive,
            // That the kernel tells whether it had to copy came with Linux 6.2 and is found out by the first send.
            zero_copy: probe.is_supported(opcode::SendZc::CODE),
            // The kernel does not tell. It came together with this opcode.
            keeps_parts: probe.is_supported(opcode::SendMsgZc::CODE),
        }
    }

    /// Whether operations of this kind can be done.
    #[inline]
    pub(crate) fn kind(&self, kind: OpKind) -> bool {
        self.kinds & 1 << kind as u8 != 0
    }
}

const _: () = assert!(OpKind::ALL.len() <= 64, "one bit for each kind");
