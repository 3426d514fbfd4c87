//! Ancillary data of messages, as the system lays it out.
//!
//! # Contract
//! Headers are read from and written to bytes of this process, by copies of plain numbers, at whatever alignment. Lengths
//! that the system (or what is left of earlier data) claims are checked against the bytes that are there. A number
//! of a descriptor is taken over once: what it came from forgets it.

use libc::{c_int, cmsghdr};
use std::{
    mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// How much room one piece of ancillary data takes whose data is so long.
pub(crate) const fn space(length: usize) -> usize {
    // SAFETY: computes with numbers only.
    unsafe { libc::CMSG_SPACE(length as _) as usize }
}

/// How much room so many descriptors take.
pub(crate) const fn rights_space(descriptors: usize) -> usize {
    space(descriptors * size_of::<RawFd>())
}

/// How long ancillary data is that has so many descriptors.
pub(crate) const fn rights_length(descriptors: usize) -> usize {
    DATA + descriptors * size_of::<RawFd>()
}

/// Where the data begins behind a header.
const DATA: usize = {
    // SAFETY: computes with numbers only.
    unsafe { libc::CMSG_LEN(0) as usize }
};

/// One piece of ancillary data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) level: c_int,
    pub(crate) kind: c_int,
    pub(crate) data: &'a [u8],
}

impl Piece<'_> {
    /// The number that the data is: a byte or an int, in the processor's order.
    #[cfg_attr(
        not(target_os = "linux"),
        allow(dead_code, reason = "elsewhere nothing is asked for that is one")
    )]
    pub(crate) fn number(&self) -> Option<i32> {
        match *self.data {
            [byte] => Some(byte.into()),
            [a, b, c, d, ..] => Some(i32::from_ne_bytes([a, b, c, d])),
            _ => None,
        }
    }

    fn is_rights(&self) -> bool {
        (self.level, self.kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS)
    }

    /// Whether its data are descriptors that the system has made for this process.
    fn has_descriptors(&self) -> bool {
        self.is_rights()
            || NAMES_SENDER.is_some_and(|kind| (self.level, self.kind) == (libc::SOL_SOCKET, kind))
    }
}

/// A descriptor of the process that has sent the message (`SCM_PIDFD`), which comes where the socket's owner has asked the system
/// for it by an option.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NAMES_SENDER: Option<c_int> = Some(4);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NAMES_SENDER: Option<c_int> = None;

/// The pieces of ancillary data in these bytes.
pub(crate) fn pieces(control: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = control;
    std::iter::from_fn(move || {
        let header = header(rest)?;
        let data = rest.get(DATA..length_of(&header))?;
        rest = rest.get(space(data.len())..).unwrap_or_default();
        Some(Piece { level: header.cmsg_level, kind: header.cmsg_type, data })
    })
}

/// How long a piece is, its header included.
#[allow(clippy::unnecessary_cast, reason = "the types of lengths differ between systems")]
fn length_of(header: &cmsghdr) -> usize {
    header.cmsg_len as usize
}

fn header(bytes: &[u8]) -> Option<cmsghdr> {
    let bytes = bytes.get(..size_of::<cmsghdr>())?;
    // SAFETY: there are as many bytes as the header has, and any bytes make one.
    Some(unsafe { bytes.as_ptr().cast::<cmsghdr>().read_unaligned() })
}

/// Takes the descriptors over that are in these bytes, and clears the bytes, so that it can be done once only. Gives those that
/// were sent; others are closed.
///
/// # Safety
/// The system has put the ancillary data there for this process, or it is zeroes, and nobody else takes descriptors
/// out of it.
pub(crate) unsafe fn take_descriptors(control: &mut [u8]) -> Vec<OwnedFd> {
    let mut sent = Vec::new();
    for piece in pieces(control).filter(Piece::has_descriptors) {
        let numbers = piece
            .data
            .chunks_exact(size_of::<RawFd>())
            .map(|number| RawFd::from_ne_bytes(number.try_into().expect("chunks of four bytes")))
            // In place of the sender's there may be an error.
            .filter(|&number| number >= 0);
        // SAFETY: the system has made these descriptors for this process, and nobody else has taken them.
        let descriptors = numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) });
        if piece.is_rights() {
            sent.extend(descriptors);
        } else {
            descriptors.for_each(drop);
        }
    }
    control.fill(0);
    sent.iter().for_each(close_on_exec);
    sent
}

/// The driver has asked the kernel for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn close_on_exec(_: &OwnedFd) {}

/// Not every system can be asked to do it as descriptors are received.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn close_on_exec(descriptor: &OwnedFd) {
    // SAFETY: a flag of the descriptor is set. It fails only for what is none.
    unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Forgets what is left of earlier ancillary data in these bytes.
pub(crate) fn clear(control: &mut [u8]) {
    let length = control.len().min(size_of::<cmsghdr>());
    control[..length].fill(0);
}

/// Ancillary data to be sent. Its memory is kept for the next.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// In words, as headers have to be aligned.
    words: Vec<u64>,
    length: usize,
}

impl Control {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.length = 0;
    }

    /// Adds a piece.
    pub(crate) fn push(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        let start = self.length;
        self.length += space(data.len());
        self.words.resize(self.length.div_ceil(size_of::<u64>()), 0);
        // SAFETY: all zeroes is a header.
        let mut header: cmsghdr = unsafe { mem::zeroed() };
        header.cmsg_len = (DATA + data.len()) as _;
        header.cmsg_level = level;
        header.cmsg_type = kind;
        // SAFETY: from the start there is room for a header and the data behind it, as the vector was just made so long.
        unsafe {
            let start = self.words.as_mut_ptr().cast::<u8>().add(start);
            start.cast::<cmsghdr>().write_unaligned(header);
            start.add(DATA).copy_from_nonoverlapping(data.as_ptr(), data.len());
        }
    }

    /// Adds descriptors for the other side.
    pub(crate) fn push_descriptors(&mut self, descriptors: &[OwnedFd]) {
        let numbers: Vec<u8> =
            descriptors.iter().flat_map(|descriptor| descriptor.as_raw_fd().to_ne_bytes()).collect();
        self.push(libc::SOL_SOCKET, libc::SCM_RIGHTS, &numbers);
    }

    /// Where it is, and how long; null if there is none.
    pub(crate) fn parts(&mut self) -> (*mut libc::c_void, usize) {
        match self.length {
            0 => (std::ptr::null_mut(), 0),
            length => (self.words.as_mut_ptr().cast(), length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn bytes(control: &mut Control) -> Vec<u8> {
        let (pointer, length) = control.parts();
        // SAFETY: that is what it says of itself.
        unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), length) }.to_vec()
    }

    #[test]
    fn pieces_are_read_as_they_were_written_at_any_alignment() {
        let mut control = Control::default();
        control.push(1, 2, &[3]);
        control.push(4, 5, &7_i32.to_ne_bytes());
        let written = bytes(&mut control);
        for shift in 0..8 {
            let shifted = [vec![0; shift], written.clone()].concat();
            let read: Vec<_> =
                pieces(&shifted[shift..]).map(|piece| (piece.level, piece.kind, piece.number())).collect();
            assert_eq!(read, [(1, 2, Some(3)), (4, 5, Some(7))]);
        }
        control.clear();
        assert!(control.parts().0.is_null());
    }

    #[test]
    fn lengths_that_lead_beyond_the_end_end_the_list() {
        let mut control = Control::default();
        control.push(1, 2, &[0; 20]);
        let written = bytes(&mut control);
        for length in 0..DATA + 20 {
            assert_eq!(pieces(&written[..length]).count(), 0, "{length}");
        }
        assert_eq!(pieces(&[0; 64]).count(), 0);
        assert_eq!(pieces(&[0xff; 64]).count(), 0);
    }

    #[test]
    fn descriptors_are_taken_once_and_closed_with_their_owner() {
        let (reader, writer) = io::pipe().unwrap();
        let mut control = Control::default();
        let writer = [OwnedFd::from(writer)];
        control.push_descriptors(&writer);
        let mut written = bytes(&mut control);
        mem::forget(writer);
        // SAFETY: the writer was given up for it.
        let descriptors = unsafe { take_descriptors(&mut written) };
        assert_eq!(descriptors.len(), 1);
        // SAFETY: nothing is left there.
        assert!(unsafe { take_descriptors(&mut written) }.is_empty());
        drop(descriptors);
        assert_eq!(io::read_to_string(reader).unwrap(), "");
    }
}
