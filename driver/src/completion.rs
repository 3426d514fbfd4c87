//! What a driver answers.

use crate::Token;
use std::{io, os::fd::RawFd};

bitflags::bitflags! {
    /// What else is to be known of a [`Completion`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct CompletionFlags: u8 {
        /// More completions of the same operation will follow; this is not its final one.
        const MORE = 1;
        /// The driver chose a pool buffer; [`Driver::take_buffer`](crate::Driver::take_buffer) fetches it.
        const BUFFER = 2;
        /// The driver or its host does not know this operation at all.
        const UNSUPPORTED = 4;
        /// More data was waiting in the socket when this receive completed.
        const MORE_DATA = 8;
        /// The result is a descriptor that the operation has made, and that whoever takes the completion owns.
        const DESCRIPTOR = 16;
    }
}

/// Names a pool buffer that a driver has chosen, until [`Driver::take_buffer`](crate::Driver::take_buffer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferId(pub u32);

impl BufferId {
    /// Set in the numbers of buffers that hold messages, which lie there as [`MessageLayout`](crate::MessageLayout) says.
    pub const MESSAGE: u32 = 1 << 23;

    /// Whether the buffer holds a message with all that belongs to it.
    pub fn is_message(self) -> bool {
        self.0 & Self::MESSAGE != 0
    }
}

/// The answer to an operation, or one of several to an operation with many answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Which operation this belongs to.
    pub token: Token,
    /// What the kernel said: a count or a descriptor, or an error number made negative.
    pub result: i32,
    /// The pool buffer that holds the data, meaningful with [`CompletionFlags::BUFFER`].
    pub buffer: BufferId,
    /// What else is to be known.
    pub flags: CompletionFlags,
}

impl Completion {
    /// A final completion with this result and nothing else to be known.
    #[inline]
    pub fn new(token: Token, result: i32) -> Self {
        Self { token, result, buffer: BufferId(0), flags: CompletionFlags::empty() }
    }

    /// Whether no more completions of this operation will follow.
    #[inline]
    pub fn is_final(&self) -> bool {
        !self.flags.contains(CompletionFlags::MORE)
    }

    /// The descriptor which the operation has made, if it has.
    #[inline]
    pub fn brought(&self) -> Option<RawFd> {
        self.flags.contains(CompletionFlags::DESCRIPTOR).then_some(self.result)
    }

    /// The count or descriptor, or the error the kernel gave.
    ///
    /// # Errors
    /// The operating system's error whose number the result carries.
    #[inline]
    pub fn result(&self) -> io::Result<u32> {
        u32::try_from(self.result).map_err(|_| io::Error::from_raw_os_error(-self.result))
    }
}
