//! Reading and writing at given positions.

use super::File;
use crate::{
    error::{Error, Result},
    fs::{
        WriteAllError,
        checkpoint::checkpoint,
        operations::{Read, ReadVectored, Write, WriteVectored},
    },
    runtime::{Answer, Core, Operation, Refusal},
    streams::FileContent,
};
use anyio_driver::{Held, IoBuf, IoBufMut};
use std::os::fd::{AsFd as _, BorrowedFd};

impl File {
    /// Reads from a position on into a buffer, at most as many bytes as it has room for, and gives their number: 0 at
    /// the end of the file. The buffer's contents are replaced by what was read.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// What was read before the cancellation came is given. The buffer of a future that is dropped is lost.
    pub async fn read_at<B: IoBufMut>(&self, buffer: B, position: u64) -> (Result<usize>, B) {
        let (answer, buffer) = self.read_once(Held::new(buffer), 0, Some(position)).await;
        (self.count(answer, "read"), buffer.into_inner())
    }

    /// Writes a buffer's bytes from a position on, at least some of them, and gives how many. In a file that was opened
    /// for appending Linux ignores the position.
    ///
    /// # Errors
    /// A cancellation, if nothing has begun. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// A write that has begun is awaited. If the future is dropped, some of the bytes may be written.
    pub async fn write_at<B: IoBuf>(&self, buffer: B, position: u64) -> (Result<usize>, B) {
        let (answer, buffer) = self.write_once(Held::new(buffer), 0, Some(position)).await;
        (self.count(answer, "write"), buffer.into_inner())
    }

    /// Reads from a position on until the buffer's room is full. (A vector's room is its whole capacity;
    /// [`IoBufMut::room`] makes a part of a certain length.)
    ///
    /// # Errors
    /// [`Error::IncompleteRead`] if the file ends before. Otherwise as for [`read_at`](Self::read_at).
    ///
    /// # Cancel safety
    /// What was read before the cancellation came is in the buffer.
    pub async fn read_exact_at<B: IoBufMut>(&self, buffer: B, position: u64) -> (Result<()>, B) {
        let (result, _, buffer) = self.fill(buffer, Some(position)).await;
        (result, buffer)
    }

    /// Writes all of a buffer's bytes from a position on.
    ///
    /// # Errors
    /// As for [`write_at`](Self::write_at), with the number of bytes that were written before.
    ///
    /// # Cancel safety
    /// The error tells how much was written. If the future is dropped, nobody knows.
    pub async fn write_all_at<B: IoBuf>(&self, buffer: B, position: u64) -> (Result<(), WriteAllError>, B) {
        let (result, _, buffer) = self.drain(buffer, 0, Some(position)).await;
        (result, buffer)
    }

    /// Reads from a position on into several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`read_at`](Self::read_at).
    ///
    /// # Cancel safety
    /// As for [`read_at`](Self::read_at).
    pub async fn read_vectored_at<B: IoBufMut>(
        &self,
        buffers: Vec<B>,
        position: u64,
    ) -> (Result<usize>, Vec<B>) {
        let (answer, buffers) = self.read_vectored_once(buffers, Some(position)).await;
        (self.count(answer, "read"), buffers)
    }

    /// Writes several buffers from a position on, one after the other; may write less than all.
    ///
    /// # Errors
    /// As for [`write_at`](Self::write_at).
    ///
    /// # Cancel safety
    /// As for [`write_at`](Self::write_at).
    pub async fn write_vectored_at<B: IoBuf>(
        &self,
        buffers: Vec<B>,
        position: u64,
    ) -> (Result<usize>, Vec<B>) {
        let (answer, buffers) = self.write_vectored_once(buffers, Some(position)).await;
        (self.count(answer, "write"), buffers)
    }

    pub(super) fn count(&self, answer: Answer, operation: &'static str) -> Result<usize> {
        answer.map(|count| count as usize).map_err(|refusal| self.refused(refusal, operation))
    }

    /// One read into the room behind the first `skip` bytes.
    pub(super) async fn read_once<B: IoBufMut>(
        &self,
        buffer: Held<B>,
        skip: usize,
        offset: Option<u64>,
    ) -> (Answer, Held<B>) {
        if let Some(Err(refusal)) = offset.map(|position| self.check(position, buffer.get().capacity())) {
            return (Err(refusal), buffer);
        }
        let room = buffer.get().capacity() - skip;
        match offset {
            Some(position) if !self.is_direct() && self.cached.is_likely(room) => {
                self.read_cached(buffer, skip, position).await
            }
            _ => Operation::new(Read { descriptor: self.descriptor.clone(), buffer, skip, offset }).await,
        }
    }

    /// One read of which the page cache gives what it has, and the driver the rest.
    async fn read_cached<B: IoBufMut>(
        &self,
        mut buffer: Held<B>,
        skip: usize,
        position: u64,
    ) -> (Answer, Held<B>) {
        if checkpoint().await.is_err() {
            return (Err(Refusal::Cancelled), buffer);
        }
        let (count, complete) = Core::with(|core| {
            self.cached.read(core, self.descriptor.raw(), buffer.get_mut(), skip, position)
        });
        if complete {
            return (Ok(count as u32), buffer);
        }
        let (skip, offset) = (skip + count, Some(position + count as u64));
        let rest = Read { descriptor: self.descriptor.clone(), buffer, skip, offset };
        let (answer, buffer) = Operation::new(rest).await;
        match answer {
            Ok(more) => (Ok(count as u32 + more), buffer),
            // What was read is told; the error comes again with the next read.
            Err(_) if count > 0 => (Ok(count as u32), buffer),
            Err(refusal) => (Err(refusal), buffer),
        }
    }

    /// One write of what is behind the first `skip` bytes. What has no positions (a pipe) may make a writer wait for
    /// ever, so there a cancellation reaches it; what it has written by then is told.
    pub(super) async fn write_once<B: IoBuf>(
        &self,
        buffer: Held<B>,
        skip: usize,
        offset: Option<u64>,
    ) -> (Answer, Held<B>) {
        if let Some(Err(refusal)) = offset.map(|position| self.check(position, buffer.get().length())) {
            return (Err(refusal), buffer);
        }
        let write = Write { descriptor: self.descriptor.clone(), buffer, skip, offset };
        if offset.is_none() && !self.appends() {
            return Operation::new(write).await;
        }
        Operation::completing(write).await
    }

    pub(super) async fn read_vectored_once<B: IoBufMut>(
        &self,
        buffers: Vec<B>,
        offset: Option<u64>,
    ) -> (Answer, Vec<B>) {
        if let Some(Err(refusal)) =
            offset.map(|position| self.check(position, buffers.iter().map(B::capacity).sum()))
        {
            return (Err(refusal), buffers);
        }
        Operation::new(ReadVectored::new(self.descriptor.clone(), buffers, offset)).await
    }

    pub(super) async fn write_vectored_once<B: IoBuf>(
        &self,
        buffers: Vec<B>,
        offset: Option<u64>,
    ) -> (Answer, Vec<B>) {
        if let Some(Err(refusal)) =
            offset.map(|position| self.check(position, buffers.iter().map(B::length).sum()))
        {
            return (Err(refusal), buffers);
        }
        let write = WriteVectored::new(self.descriptor.clone(), buffers, offset);
        if offset.is_none() && !self.appends() {
            return Operation::new(write).await;
        }
        Operation::completing(write).await
    }

    /// Fills a buffer; tells also how many bytes it got.
    pub(super) async fn fill<B: IoBufMut>(&self, buffer: B, position: Option<u64>) -> (Result<()>, usize, B) {
        let mut held = Held::new(buffer);
        let (room, mut filled) = (held.get().capacity(), 0);
        let result = loop {
            let offset = position.map(|position| position.saturating_add(filled as u64));
            let (answer, buffer) = self.read_once(held, filled, offset).await;
            held = buffer;
            match self.count(answer, "read") {
                Ok(0) if filled < room => break Err(Error::IncompleteRead),
                Ok(count) => filled += count,
                Err(error) => break Err(error),
            }
            if filled == room {
                break Ok(());
            }
        };
        (result, filled, held.into_inner())
    }

    /// Writes all of a buffer; tells also how many bytes were written.
    pub(super) async fn drain<B: IoBuf>(
        &self,
        buffer: B,
        skip: usize,
        position: Option<u64>,
    ) -> (Result<(), WriteAllError>, usize, B) {
        let mut held = Held::new(buffer);
        let (length, mut written) = (held.get().length(), skip);
        let result = loop {
            let offset = position.map(|position| position.saturating_add((written - skip) as u64));
            let (answer, buffer) = self.write_once(held, written, offset).await;
            held = buffer;
            match self.count(answer, "write") {
                Ok(0) if written < length => {
                    let error = std::io::ErrorKind::WriteZero.into();
                    let error = Error::of_operation(error, "write", self.subject());
                    break Err(WriteAllError { written, error });
                }
                Ok(count) => written += count,
                Err(error) => break Err(WriteAllError { written, error }),
            }
            if written == length {
                break Ok(());
            }
        };
        (result, written - skip, held.into_inner())
    }
}

impl FileContent for File {
    async fn read_at<B: IoBufMut>(&self, buffer: B, position: u64) -> (Result<usize>, B) {
        File::read_at(self, buffer, position).await
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}
