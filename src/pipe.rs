//! Both ends of pipes.

mod receiving;
mod sending;

pub(crate) use sending::Sending;

use crate::runtime::Descriptor;
use std::os::fd::{AsRawFd, OwnedFd};

/// Gives a bare pipe away as one that blocks, as programs expect it. The poll back end has it not block.
fn into_blocking(descriptor: Descriptor) -> Result<OwnedFd, Descriptor> {
    let owned = descriptor.into_owned()?;
    // SAFETY: only flags of the descriptor, which is open, are read and set. A failure leaves it as it is.
    unsafe {
        let flags = libc::fcntl(owned.as_raw_fd(), libc::F_GETFL);
        if flags >= 0 && flags & libc::O_NONBLOCK != 0 {
            libc::fcntl(owned.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK);
        }
    }
    Ok(owned)
}
