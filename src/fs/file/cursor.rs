//! Reading and writing at the file's cursor.

use super::File;
use crate::{
    error::{Error, Result},
    fs::{WriteAllError, thread},
    runtime::calls,
};
use anyio_driver::{Held, IoBuf, IoBufMut};
use std::{
    io::{self, Seek, SeekFrom},
    os::fd::RawFd,
    str,
};

/// Where the next read or write takes place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Cursor {
    /// Where the system's cursor stands; not asked for yet.
    #[default]
    AtSystems,
    At(u64),
    /// The file has no positions: it is a pipe, a terminal or the like.
    Stream,
}

impl Cursor {
    /// Puts the system's cursor where this one stands.
    pub(super) fn hand_over(self, fd: RawFd) {
        if let Self::At(position) = self {
            calls::move_cursor(fd, position);
        }
    }
}

impl File {
    /// Reads at the cursor, at most as many bytes as the buffer has room for, and gives their number: 0 at the end of the
    /// file. The buffer's contents are replaced by what was read.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// What was read before the cancellation came is given. If the future is dropped, the buffer is lost and the cursor
    /// stays, but bytes of a pipe may be lost.
    pub async fn read<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        let offset = self.position();
        let (answer, buffer) = self.read_once(Held::new(buffer), 0, offset).await;
        self.advance(answer.unwrap_or(0) as usize);
        (self.count(answer, "read"), buffer.into_inner())
    }

    /// Reads at the cursor until the buffer's room is full. (A vector's room is its whole capacity;
    /// [`IoBufMut::room`] makes a part of a certain length.)
    ///
    /// # Errors
    /// [`Error::IncompleteRead`] if the file ends before. Otherwise as for [`read`](Self::read). The cursor is then behind
    /// what was read.
    ///
    /// # Cancel safety
    /// What was read before the cancellation came is in the buffer, and the cursor behind it.
    pub async fn read_exact<B: IoBufMut>(&mut self, buffer: B) -> (Result<()>, B) {
        let offset = self.position();
        let (result, count, buffer) = self.fill(buffer, offset).await;
        self.advance(count);
        (result, buffer)
    }

    /// Reads at the cursor into several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As for [`read`](Self::read).
    pub async fn read_vectored<B: IoBufMut>(&mut self, buffers: Vec<B>) -> (Result<usize>, Vec<B>) {
        let offset = self.position();
        let (answer, buffers) = self.read_vectored_once(buffers, offset).await;
        self.advance(answer.unwrap_or(0) as usize);
        (self.count(answer, "read"), buffers)
    }

    /// Reads from the cursor to the end of the file, appends it to `buffer`, and gives how many bytes it was.
    ///
    /// # Errors
    /// As for [`read`](Self::read). What was read before is in the buffer.
    ///
    /// # Cancel safety
    /// What was read before the cancellation came is in the buffer, and the cursor behind it.
    pub async fn read_to_end(&mut self, mut buffer: Vec<u8>) -> (Result<usize>, Vec<u8>) {
        let before = buffer.len();
        // Only a hint, and a wrong one for files that are made up as they are read.
        let size = match self.status().await {
            Ok(status) => super::super::Metadata::new(status).len(),
            Err(refusal) => return (Err(self.refused(refusal, "read")), buffer),
        };
        let start = self.position();
        let left = size.saturating_sub(start.unwrap_or(0));
        if let Err(error) = buffer.try_reserve(usize::try_from(left).map_or(0, |left| left.saturating_add(1)))
        {
            let error = io::Error::new(io::ErrorKind::OutOfMemory, error);
            return (Err(Error::of_operation(error, "read", self.subject())), buffer);
        }
        let mut held = Held::new(buffer);
        let result = loop {
            let buffer = held.get_mut();
            let filled = buffer.len();
            if buffer.capacity() == filled {
                buffer.reserve(LEAST_ROOM);
            }
            let room = buffer.capacity() - filled;
            let offset = self.position();
            let (answer, buffer) = self.read_once(held, filled, offset).await;
            held = buffer;
            self.advance(answer.unwrap_or(0) as usize);
            let count = match self.count(answer, "read") {
                Ok(count) => count,
                Err(error) => break Err(error),
            };
            // A file with positions gives as much as there is, so less than asked for at its end is the end.
            let reached = offset.is_some_and(|offset| size > 0 && offset + count as u64 == size);
            if count == 0 || (count < room && reached) {
                break Ok(held.get().len() - before);
            }
        };
        (result, held.into_inner())
    }

    /// Reads from the cursor to the end of the file as UTF-8, appends it to `text`, and gives how many bytes it was.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidData` if it is not UTF-8, otherwise as for [`read`](Self::read). The text is
    /// as it was, although the cursor may have moved.
    ///
    /// # Cancel safety
    /// As for errors.
    pub async fn read_to_string(&mut self, mut text: String) -> (Result<usize>, String) {
        let (result, bytes) = self.read_to_end(Vec::new()).await;
        let result = result.and_then(|count| match str::from_utf8(&bytes) {
            Ok(more) => {
                text.push_str(more);
                Ok(count)
            }
            Err(error) => Err(not_text(error, self.subject())),
        });
        (result, text)
    }

    /// Reads from the cursor to the end of the file as UTF-8, and gives its lines without their ends, which are `\n` or
    /// `\r\n`. For a file of any length, [lines](crate::streams::BufferedByteStream::lines) come one by one.
    ///
    /// # Errors
    /// As for [`read_to_string`](Self::read_to_string).
    ///
    /// # Cancel safety
    /// As for errors.
    pub async fn read_lines(&mut self) -> Result<Vec<String>> {
        let (result, bytes) = self.read_to_end(Vec::new()).await;
        result?;
        lines_of(&bytes, self.subject())
    }

    /// Writes a buffer's bytes at the cursor (or at the end of a file opened for appending), at least some of them, and
    /// gives how many.
    ///
    /// # Errors
    /// A cancellation, if nothing has begun. [`Error::Io`] if the system refuses.
    ///
    /// # Cancel safety
    /// A write to a file that has begun is awaited; one to a pipe is cancelled, and gives what was written. If the future
    /// is dropped, the cursor stays, but some of the bytes may be written.
    pub async fn write<B: IoBuf>(&mut self, buffer: B) -> (Result<usize>, B) {
        let offset = self.writing_position();
        let (answer, buffer) = self.write_once(Held::new(buffer), 0, offset).await;
        self.advance_writing(answer.unwrap_or(0) as usize);
        (self.count(answer, "write"), buffer.into_inner())
    }

    /// Writes all of a buffer's bytes at the cursor, or at the end of a file opened for appending.
    ///
    /// # Errors
    /// As for [`write`](Self::write), with the number of bytes that were written before. The cursor is behind them.
    ///
    /// # Cancel safety
    /// The error tells how much was written. If the future is dropped, nobody knows.
    pub async fn write_all<B: IoBuf>(&mut self, buffer: B) -> (Result<(), WriteAllError>, B) {
        let offset = self.writing_position();
        let (result, count, buffer) = self.drain(buffer, 0, offset).await;
        self.advance_writing(count);
        (result, buffer)
    }

    /// Writes several buffers at the cursor, one after the other; may write less than all.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// As for [`write`](Self::write).
    pub async fn write_vectored<B: IoBuf>(&mut self, buffers: Vec<B>) -> (Result<usize>, Vec<B>) {
        let offset = self.writing_position();
        let (answer, buffers) = self.write_vectored_once(buffers, offset).await;
        self.advance_writing(answer.unwrap_or(0) as usize);
        (self.count(answer, "write"), buffers)
    }

    /// Writes all bytes of several buffers at the cursor, or at the end of a file opened for appending, one after the other.
    ///
    /// # Errors
    /// As for [`write`](Self::write), with the number of bytes of all buffers together that were written before. The cursor is
    /// behind them.
    ///
    /// # Cancel safety
    /// The error tells how much was written. If the future is dropped, nobody knows.
    pub async fn write_all_vectored<B: IoBuf>(
        &mut self,
        buffers: Vec<B>,
    ) -> (Result<(), WriteAllError>, Vec<B>) {
        let (first, buffers) = self.write_vectored(buffers).await;
        let mut written = match first {
            Ok(count) => count,
            Err(error) => return (Err(WriteAllError { written: 0, error }), buffers),
        };
        // The system takes all at once unless the device is full or there are very many buffers.
        let mut finished = Vec::with_capacity(buffers.len());
        let mut left = buffers.into_iter();
        let (mut begin, mut result) = (0, Ok(()));
        while result.is_ok() {
            let Some(buffer) = left.next() else { break };
            let end = begin + buffer.length();
            if end <= written {
                finished.push(buffer);
            } else {
                let offset = self.writing_position();
                let (drained, count, buffer) = self.drain(buffer, written - begin, offset).await;
                self.advance_writing(count);
                written += count;
                result = drained.map_err(|error| WriteAllError { written, error: error.error });
                finished.push(buffer);
            }
            begin = end;
        }
        finished.extend(left);
        (result, finished)
    }

    /// Moves the cursor and gives its new position. It may be beyond the end of the file.
    ///
    /// # Errors
    /// [`Error::Io`] if the position would be before the beginning, or for what has no positions. Seeking from the end
    /// has to ask for the size, so it can be cancelled.
    ///
    /// # Cancel safety
    /// The cursor stays.
    pub async fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let refuse = |file: &Self, number| {
            Err(Error::of_operation(io::Error::from_raw_os_error(number), "seek", file.subject()))
        };
        let Some(current) = self.position() else { return refuse(self, libc::ESPIPE) };
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => current.checked_add_signed(by),
            SeekFrom::End(by) => self.size().await?.checked_add_signed(by),
        };
        match position.filter(|&position| i64::try_from(position).is_ok()) {
            Some(position) => {
                self.cursor = Cursor::At(position);
                Ok(position)
            }
            None => refuse(self, libc::EINVAL),
        }
    }

    /// Moves the cursor to the beginning.
    ///
    /// # Errors
    /// [`Error::Io`] for what has no positions.
    pub async fn rewind(&mut self) -> Result<()> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Where the cursor is.
    ///
    /// # Errors
    /// [`Error::Io`] for what has no positions.
    pub fn stream_position(&mut self) -> Result<u64> {
        self.position().ok_or_else(|| {
            Error::of_operation(io::Error::from_raw_os_error(libc::ESPIPE), "seek", self.subject())
        })
    }

    /// Where the file ends. Devices tell only when asked to go there.
    async fn size(&self) -> Result<u64> {
        let metadata = self.metadata().await?;
        if metadata.is_file() {
            return Ok(metadata.len());
        }
        thread::with_file("seek", &self.descriptor, self.subject(), |mut file| {
            let before = file.stream_position()?;
            let end = file.seek(SeekFrom::End(0));
            file.seek(SeekFrom::Start(before))?;
            end
        })
        .await
    }

    /// The cursor's position, or `None` for what has none.
    pub(in crate::fs) fn position(&mut self) -> Option<u64> {
        if let Cursor::AtSystems = self.cursor {
            if self.path.is_some() && self.regular.get() && !self.appends() {
                // Nobody has moved the system's cursor since it was opened.
                self.cursor = Cursor::At(0);
            }
        }
        if let Cursor::AtSystems = self.cursor {
            let position = calls::where_cursor_is(self.descriptor.raw());
            self.cursor = position.map_or(Cursor::Stream, Cursor::At);
        }
        match self.cursor {
            Cursor::At(position) => Some(position),
            Cursor::Stream | Cursor::AtSystems => None,
        }
    }

    /// Where to write: what is appended goes to the system's cursor, which is then at the end.
    fn writing_position(&mut self) -> Option<u64> {
        if self.appends() { None } else { self.position() }
    }

    /// Puts the cursor where a stream over the file has come to.
    pub(in crate::fs) fn set_position(&mut self, position: u64) {
        if !matches!(self.cursor, Cursor::Stream) {
            self.cursor = Cursor::At(position);
        }
    }

    fn advance(&mut self, count: usize) {
        if let Cursor::At(position) = &mut self.cursor {
            *position += count as u64;
        }
    }

    fn advance_writing(&mut self, count: usize) {
        if !self.appends() {
            self.advance(count);
        } else if count > 0 && !matches!(self.cursor, Cursor::Stream) {
            // The system knows where the file's end was.
            self.cursor = Cursor::AtSystems;
        }
    }
}

/// The least room that is made for reading a file of unknown size, in bytes.
const LEAST_ROOM: usize = 8192;

/// The error for what should be UTF-8 and is not.
pub(in crate::fs) fn not_text(error: str::Utf8Error, subject: impl std::fmt::Display) -> Error {
    Error::of_operation(io::Error::new(io::ErrorKind::InvalidData, error), "read", subject)
}

/// The lines of a text in UTF-8, without their ends.
pub(crate) fn lines_of(bytes: &[u8], subject: impl std::fmt::Display) -> Result<Vec<String>> {
    let text = str::from_utf8(bytes).map_err(|error| not_text(error, subject))?;
    Ok(text.lines().map(str::to_owned).collect())
}
