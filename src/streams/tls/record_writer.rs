//! Where records go that rustls has ready.

use super::spare_memory;
use crate::{
    error::{Error, Result},
    streams::{ByteSendStream, piece_sender::PieceSender},
};
use std::io::{self, IoSlice, Write};

/// From so many bytes on they are first tried from where rustls has them: then copying them costs more than a call of the
/// system by itself, which small ones share.
const LARGE: usize = 8 * 1024;

/// Sends at once what the stream below takes at once, and copies the rest, which is to be sent by the sender.
pub(super) struct RecordWriter<'a, W> {
    sender: &'a mut PieceSender<W>,
    /// What was copied.
    piece: Vec<u8>,
    /// Whether the stream has taken less than there was, or refused to take anything.
    is_full: bool,
    failure: Option<Error>,
}

impl<'a, W: ByteSendStream> RecordWriter<'a, W> {
    /// For a sender that is idle.
    pub(super) fn new(sender: &'a mut PieceSender<W>) -> Self {
        let piece = std::mem::take(sender.piece());
        Self { sender, piece, is_full: false, failure: None }
    }

    /// Leaves to the sender what was copied.
    ///
    /// # Errors
    /// Those of the stream below, after which nothing that is written gets anywhere.
    pub(super) fn finish(self) -> Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.piece.is_empty() {
            spare_memory::give_back(self.piece);
        } else {
            *self.sender.piece() = self.piece;
        }
        Ok(())
    }

    fn send_nowait(&mut self, slices: &[IoSlice<'_>], length: usize) -> io::Result<usize> {
        match self.sender.send_nowait(slices) {
            // The sender finds out by itself that it is cancelled.
            None | Some(Err(Error::Cancelled(_))) => {
                self.is_full = true;
                Ok(0)
            }
            Some(Ok(count)) => {
                self.is_full = count < length;
                Ok(count)
            }
            Some(Err(error)) => {
                self.failure = Some(error);
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
    }
}

impl<W: ByteSendStream> Write for RecordWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length >= LARGE && !self.is_full && self.piece.is_empty() {
            let count = self.send_nowait(slices, length)?;
            if count > 0 {
                return Ok(count);
            }
        }
        if self.piece.capacity() == 0 {
            self.piece = spare_memory::take();
        }
        self.piece.reserve(length);
        for slice in slices {
            self.piece.extend_from_slice(slice);
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
