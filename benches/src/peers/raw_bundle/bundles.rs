//! A ring of buffers of which one completion can use several.
//!
//! A completion names its first buffer only; the others follow it in the order in which they were given back. Completions
//! come in the order in which the kernel took the buffers, and are looked at in that order, so a place of the ring is
//! never filled anew before its buffer was taken here.

use std::io;

use io_uring::Submitter;

use crate::peers::raw_multishot::buffer_ring::{BufferRing, Filled};

const BUFFERS: u16 = 1024;
const BUFFER_BYTES: usize = 4 * 1024;

pub(super) struct Bundles {
    ring: BufferRing,
    /// Which buffer lies at each place of the ring.
    order: Vec<u16>,
    /// At which place of the ring each buffer lies.
    places: Vec<u16>,
}

impl Bundles {
    pub(super) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let ring = BufferRing::register(submitter, BUFFERS, BUFFER_BYTES)?;
        Ok(Self { ring, order: (0..BUFFERS).collect(), places: (0..BUFFERS).collect() })
    }

    /// The buffers of a completion that named this one and brought so many bytes.
    pub(super) fn take(&mut self, first: u16, bytes: u32) -> impl Iterator<Item = Filled> {
        let mut left = bytes;
        let mut place = self.places[usize::from(first)];
        std::iter::from_fn(move || {
            let length = left.min(BUFFER_BYTES as u32);
            let buffer = self.order[usize::from(place)];
            left -= length;
            place = (place + 1) % BUFFERS;
            (length > 0).then(|| self.ring.take(buffer, length))
        })
    }

    pub(super) fn give_back(&mut self, buffer: u16) {
        let place = self.ring.next_place();
        self.order[usize::from(place)] = buffer;
        self.places[usize::from(buffer)] = place;
        self.ring.give_back(buffer);
    }

    pub(super) fn address(&self, buffer: u16) -> *const u8 {
        self.ring.address(buffer)
    }

    /// Lets the kernel see all buffers that were given back, and says whether it has any.
    pub(super) fn publish(&self) -> bool {
        self.ring.publish();
        !self.ring.is_empty()
    }
}
