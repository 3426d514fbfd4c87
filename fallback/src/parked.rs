//! Received chunks on their way to the caller.

use anyio_driver::{BufferId, Chunk};

/// Chunks by the number that their completions carry.
#[derive(Default)]
pub(crate) struct Parked {
    chunks: Vec<Option<Chunk>>,
    free: Vec<u32>,
}

impl Parked {
    #[inline]
    pub(crate) fn park(&mut self, chunk: Chunk) -> BufferId {
        if let Some(number) = self.free.pop() {
            self.chunks[number as usize] = Some(chunk);
            return BufferId(number);
        }
        self.chunks.push(Some(chunk));
        BufferId(self.chunks.len() as u32 - 1)
    }

    /// The chunk of this number, once.
    #[inline]
    pub(crate) fn take(&mut self, buffer: BufferId) -> Option<Chunk> {
        let chunk = self.chunks.get_mut(buffer.0 as usize)?.take()?;
        self.free.push(buffer.0);
        Some(chunk)
    }
}
