//! What a receive of datagrams is made with: the room that each message gets, and a message of its own where the driver
//! chooses no buffer.
//!
//! # Contract
//! A message in flight lies in a box and points to parts of a chunk that the same value owns.

use crate::{
    ancillary,
    message::{MessageForm, ReceivedMessage},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut, MessageHead, MessageLayout};
use libc::{iovec, msghdr};
use std::{mem, ptr};

/// What each message is to be received with.
pub(super) struct Room {
    /// Of which only the lengths count.
    pub(super) message: msghdr,
    pub(super) form: &'static MessageForm,
}

/// A single receive in flight, or one that was.
pub(super) struct Single {
    pub(super) message: msghdr,
    piece: iovec,
    pub(super) chunk: Option<Chunk>,
    form: &'static MessageForm,
}

impl Room {
    pub(super) fn new(form: &'static MessageForm) -> Self {
        debug_assert!(form.layout.fits());
        let mut message = no_message();
        message.msg_namelen = form.layout.name as _;
        message.msg_controllen = form.layout.control as _;
        Self { message, form }
    }
}

/// For no message at all.
static NO_ROOM: MessageForm = MessageForm { layout: MessageLayout { name: 0, control: 0 }, rights: false };

impl Default for Single {
    fn default() -> Self {
        Self {
            message: no_message(),
            piece: iovec { iov_base: ptr::null_mut(), iov_len: 0 },
            chunk: None,
            form: &NO_ROOM,
        }
    }
}

impl Single {
    /// Makes the message point to parts of the chunk.
    pub(super) fn prepare(&mut self, mut chunk: Chunk, room: &Room) {
        let layout = room.form.layout;
        let start = chunk.pointer_mut();
        // SAFETY: the layout fits into each buffer of the pool, so that every part begins within it; those are initialised.
        let control = unsafe {
            self.piece.iov_base = start.add(layout.payload_offset()).cast();
            self.message.msg_name = start.add(layout.name_offset()).cast();
            std::slice::from_raw_parts_mut(start.add(layout.control_offset()), layout.control)
        };
        // If nothing is received, what an earlier message has left there must not be taken for this one's.
        ancillary::clear(control);
        self.message.msg_control = control.as_mut_ptr().cast();
        self.piece.iov_len = chunk.capacity() - layout.payload_offset();
        self.message.msg_namelen = layout.name as _;
        self.message.msg_controllen = layout.control as _;
        self.message.msg_flags = 0;
        self.message.msg_iov = &raw mut self.piece;
        self.message.msg_iovlen = 1;
        self.chunk = Some(chunk);
        self.form = room.form;
    }

    /// What was received, once.
    pub(super) fn finish(&mut self, count: u32) -> Option<ReceivedMessage> {
        let mut chunk = self.chunk.take()?;
        let head = MessageHead {
            name_length: self.message.msg_namelen,
            control_length: self.message.msg_controllen as u32,
            payload_length: count,
            flags: self.message.msg_flags as u32,
        };
        let length = self.form.layout.payload_offset() + count as usize;
        debug_assert!(length <= chunk.capacity() && chunk.length() == 0);
        // SAFETY: the buffers of the pool are initialised; the kernel has filled so many bytes of the payload's room. The
        // head's room is the chunk's beginning.
        unsafe {
            chunk.pointer_mut().copy_from_nonoverlapping(head.to_bytes().as_ptr(), size_of::<MessageHead>());
            chunk.set_filled(length);
        }
        Some(ReceivedMessage::new(chunk, self.form))
    }
}

impl Drop for Single {
    /// What was received after the run of its socket had ended, nobody has told of. Descriptors that came are closed.
    fn drop(&mut self) {
        if self.form.rights {
            drop(self.finish(0));
        }
    }
}

fn no_message() -> msghdr {
    // SAFETY: all zeroes is a message without anything.
    unsafe { mem::zeroed() }
}
