//! A message that was received, with all that belongs to it.

use crate::ancillary;
use anyio_driver::{Chunk, MessageHead, MessageLayout};
use std::os::fd::OwnedFd;

/// How messages are received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageForm {
    /// What room there is in front of the bytes.
    pub(crate) layout: MessageLayout,
    /// Whether descriptors may come with them.
    pub(crate) rights: bool,
}

/// A message in a buffer of the driver's. Descriptors that came with it are its own: they are closed with it unless they
/// are taken.
#[derive(Debug)]
pub(crate) struct ReceivedMessage {
    /// Empty once the payload was taken.
    chunk: Option<Chunk>,
    form: &'static MessageForm,
}

/// The most descriptors that Linux lets one message carry.
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// For messages that may carry descriptors, on UNIX sockets. Addresses there are at most 110 bytes long.
pub(crate) static WITH_RIGHTS: MessageForm = MessageForm {
    layout: MessageLayout { name: NAME_ROOM, control: ancillary::rights_space(MOST_DESCRIPTORS) },
    rights: true,
};

/// For messages on UNIX sockets that carry none.
pub(crate) static WITHOUT_RIGHTS: MessageForm =
    MessageForm { layout: MessageLayout { name: NAME_ROOM, control: 0 }, rights: false };

const NAME_ROOM: usize = 112;

impl ReceivedMessage {
    /// Takes a buffer in which a driver has put a message that was asked for in this form.
    #[inline]
    pub(crate) fn new(chunk: Chunk, form: &'static MessageForm) -> Self {
        Self { chunk: Some(chunk), form }
    }

    /// What the buffer begins with.
    #[inline]
    fn head(&self) -> MessageHead {
        let none = MessageHead { name_length: 0, control_length: 0, payload_length: 0, flags: 0 };
        self.chunk.as_deref().and_then(MessageHead::read).unwrap_or(none)
    }

    #[inline]
    fn part(&self, offset: usize, length: u32, room: usize) -> &[u8] {
        let bytes = self.chunk.as_deref().unwrap_or_default();
        bytes.get(offset..offset + (length as usize).min(room)).unwrap_or_default()
    }

    /// The sender's address.
    #[inline]
    pub(crate) fn name(&self) -> &[u8] {
        let layout = &self.form.layout;
        self.part(layout.name_offset(), self.head().name_length, layout.name)
    }

    /// Ancillary data.
    #[inline]
    pub(crate) fn control(&self) -> &[u8] {
        let layout = &self.form.layout;
        self.part(layout.control_offset(), self.head().control_length, layout.control)
    }

    /// Whether the message was longer than the buffer.
    #[inline]
    pub(crate) fn is_truncated(&self) -> bool {
        self.head().flags & libc::MSG_TRUNC as u32 != 0
    }

    /// Whether there were more descriptors, or other ancillary data, than there was room for.
    pub(crate) fn is_control_truncated(&self) -> bool {
        self.head().flags & libc::MSG_CTRUNC as u32 != 0
    }

    /// Takes the descriptors that came with it.
    pub(crate) fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        if !self.form.rights {
            return Vec::new();
        }
        let layout = &self.form.layout;
        let (start, length) = (layout.control_offset(), self.head().control_length as usize);
        let end = start + length.min(layout.control);
        let control = self.chunk.as_mut().and_then(|chunk| chunk.get_mut(start..end));
        // SAFETY: the system has put the ancillary data there, and only this value takes descriptors, which clears it.
        control.map_or_else(Vec::new, |control| unsafe { ancillary::take_descriptors(control) })
    }

    /// The bytes alone. Descriptors that were not taken are closed.
    #[inline]
    pub(crate) fn into_payload(mut self) -> Chunk {
        if self.form.rights {
            drop(self.take_descriptors());
        }
        let length = self.head().payload_length as usize;
        let mut chunk = self.chunk.take().expect("the payload is taken once");
        chunk.advance(self.form.layout.payload_offset().min(chunk.len()));
        chunk.truncate(length);
        chunk
    }
}

impl Drop for ReceivedMessage {
    #[inline]
    fn drop(&mut self) {
        if self.form.rights {
            drop(self.take_descriptors());
        }
    }
}
