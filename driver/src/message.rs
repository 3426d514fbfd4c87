//! How a message that was received lies in its buffer.
//!
//! A receive into a buffer that the driver chooses has nowhere else to put the sender's address and ancillary data, so
//! they come first: a head that tells the lengths, room for the name, room for ancillary data, and then the bytes
//! themselves. Linux lays it out so for an io_uring, and other drivers do the same.

use libc::msghdr;

/// How many bytes a message itself may have that is received into a buffer of the driver's; what is longer is cut, and
/// told to be.
pub const LONGEST_MESSAGE: usize = 65_536;

/// The lengths of what a buffer holds, which it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct MessageHead {
    /// How long the sender's address is.
    pub name_length: u32,
    /// How much ancillary data there is.
    pub control_length: u32,
    /// How many bytes of the message there are.
    pub payload_length: u32,
    /// `MSG_…` flags, such as `MSG_TRUNC`.
    pub flags: u32,
}

/// How much room a buffer has for what comes before the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLayout {
    /// Room for the sender's address.
    pub name: usize,
    /// Room for ancillary data.
    pub control: usize,
}

impl MessageLayout {
    /// The room that this message asks for.
    #[allow(clippy::unnecessary_cast, reason = "the types of lengths differ between systems")]
    pub fn of(message: &msghdr) -> Self {
        Self { name: message.msg_namelen as usize, control: message.msg_controllen as usize }
    }

    /// Where the name begins.
    pub const fn name_offset(self) -> usize {
        size_of::<MessageHead>()
    }

    /// Where ancillary data begins.
    pub const fn control_offset(self) -> usize {
        self.name_offset() + self.name
    }

    /// Where the bytes begin.
    pub const fn payload_offset(self) -> usize {
        self.control_offset() + self.control
    }

    /// Whether a buffer for messages has room for the longest one behind all this.
    pub const fn fits(self) -> bool {
        self.payload_offset() + LONGEST_MESSAGE <= crate::pool::MESSAGE_BUFFER_SIZE
    }
}

impl MessageHead {
    /// What a buffer begins with; `None` if it is too short.
    #[inline]
    pub fn read(buffer: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *buffer.first_chunk()?;
        Some(Self {
            name_length: u32::from_ne_bytes([a, b, c, d]),
            control_length: u32::from_ne_bytes([e, f, g, h]),
            payload_length: u32::from_ne_bytes([i, j, k, l]),
            flags: u32::from_ne_bytes([m, n, o, p]),
        })
    }

    /// As a buffer begins with it.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let numbers = [self.name_length, self.control_length, self.payload_length, self.flags];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = MessageHead { name_length: 16, control_length: 0, payload_length: 70_000, flags: 0x20 };
        assert_eq!(MessageHead::read(&head.to_bytes()), Some(head));
        assert_eq!(MessageHead::read(&[0; 15]), None);
    }

    #[test]
    fn parts_lie_one_behind_the_other() {
        let layout = MessageLayout { name: 32, control: 128 };
        assert_eq!((layout.name_offset(), layout.control_offset(), layout.payload_offset()), (16, 48, 176));
        assert!(layout.fits());
        assert!(!MessageLayout { name: 128, control: 1 << 16 }.fits());
    }
}
