//! A message that was received, with all that belongs to it.

use crate::ancillary;
use anyio_driver::{Chunk, MessageHead, MessageLayout};
use std::{mem, os::fd::OwnedFd};

/// A message in a buffer of the driver's. Descriptors that came with it are its own: they are closed with it unless they
/// are taken.
#[derive(Debug)]
pub(crate) struct ReceivedMessage {
    /// Empty once the payload was taken.
    chunk: Option<Chunk>,
    layout: MessageLayout,
    head: MessageHead,
    /// Whether descriptors may have come with it.
    rights: bool,
}

/// The most descriptors that Linux lets one message carry.
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// The room for messages that may carry descriptors, on UNIX sockets. Addresses there are at most 110 bytes long.
pub(crate) const WITH_RIGHTS: MessageLayout =
    MessageLayout { name: 112, control: ancillary::rights_space(MOST_DESCRIPTORS) };

impl ReceivedMessage {
    /// Takes a buffer in which a driver has put a message that was asked for with this layout.
    #[inline]
    pub(crate) fn new(chunk: Chunk, layout: MessageLayout, rights: bool) -> Self {
        let none = MessageHead { name_length: 0, control_length: 0, payload_length: 0, flags: 0 };
        let head = MessageHead::read(&chunk).unwrap_or(none);
        Self { chunk: Some(chunk), layout, head, rights }
    }

    #[inline]
    fn part(&self, offset: usize, length: u32, room: usize) -> &[u8] {
        let bytes = self.chunk.as_deref().unwrap_or_default();
        bytes.get(offset..offset + (length as usize).min(room)).unwrap_or_default()
    }

    /// The sender's address.
    #[inline]
    pub(crate) fn name(&self) -> &[u8] {
        self.part(self.layout.name_offset(), self.head.name_length, self.layout.name)
    }

    /// Ancillary data.
    #[inline]
    pub(crate) fn control(&self) -> &[u8] {
        self.part(self.layout.control_offset(), self.head.control_length, self.layout.control)
    }

    /// Whether the message was longer than the buffer.
    #[inline]
    pub(crate) fn is_truncated(&self) -> bool {
        self.head.flags & libc::MSG_TRUNC as u32 != 0
    }

    /// Whether there were more descriptors, or other ancillary data, than there was room for.
    pub(crate) fn is_control_truncated(&self) -> bool {
        self.head.flags & libc::MSG_CTRUNC as u32 != 0
    }

    /// Takes the descriptors that came with it.
    pub(crate) fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        let (start, length) = (self.layout.control_offset(), self.head.control_length as usize);
        let end = start + length.min(self.layout.control);
        if !mem::take(&mut self.rights) {
            return Vec::new();
        }
        let control = self.chunk.as_mut().and_then(|chunk| chunk.get_mut(start..end));
        // SAFETY: the system has put the ancillary data there, and only this value, and only once, takes descriptors.
        control.map_or_else(Vec::new, |control| unsafe { ancillary::take_descriptors(control) })
    }

    /// The bytes alone. Descriptors that were not taken are closed.
    #[inline]
    pub(crate) fn into_payload(mut self) -> Chunk {
        let mut chunk = self.chunk.take().expect("the payload is taken once");
        if self.rights {
            self.chunk = Some(chunk);
            drop(self.take_descriptors());
            chunk = self.chunk.take().expect("it was just put there");
        }
        chunk.advance(self.layout.payload_offset().min(chunk.len()));
        chunk.truncate(self.head.payload_length as usize);
        chunk
    }
}

impl Drop for ReceivedMessage {
    #[inline]
    fn drop(&mut self) {
        if self.rights {
            drop(self.take_descriptors());
        }
    }
}
