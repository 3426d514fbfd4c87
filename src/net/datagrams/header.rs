//! What a datagram is sent with.

use super::destination::Destination;
use crate::ancillary::Control;
use libc::{iovec, msghdr};
use std::{mem, os::fd::OwnedFd, ptr};

/// Address, ancillary data and the message that points to them. It stays in its box, and is used again and again.
pub(in crate::net) struct Header {
    message: msghdr,
    piece: iovec,
    pub(in crate::net) to: Destination,
    pub(in crate::net) control: Control,
    /// What the ancillary data names, which has to be open until it is sent.
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Header {
    pub(super) fn new() -> Self {
        Self {
            // SAFETY: all zeroes is a message without anything.
            message: unsafe { mem::zeroed() },
            piece: iovec { iov_base: ptr::null_mut(), iov_len: 0 },
            to: Destination::none(),
            control: Control::default(),
            descriptors: Vec::new(),
        }
    }

    /// Has the message consist of these bytes, which stay where they are until it was sent.
    #[inline]
    pub(super) fn set_bytes(&mut self, data: &[u8]) {
        self.piece = iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    }

    /// The message. What it points to is here, and is valid as long as this is neither moved nor changed, as are the bytes.
    #[inline]
    pub(super) fn message(&mut self) -> *const msghdr {
        self.message.msg_iov = &raw mut self.piece;
        self.message.msg_iovlen = 1;
        (self.message.msg_name, self.message.msg_namelen) = self.to.parts();
        let (control, length) = self.control.parts();
        (self.message.msg_control, self.message.msg_controllen) = (control, length as _);
        &raw const self.message
    }
}
