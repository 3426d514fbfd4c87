//! Files that begin in memory.

mod stream;

use super::{Builder, TemporaryFile};
use crate::{
    error::{Error, Result},
    fs::{WriteAllError, checkpoint::checkpoint, lines_of},
    streams::ByteReceiveStream,
};
use anyio_driver::{IoBuf, IoBufMut};
use std::io::{self, SeekFrom};

/// A temporary file that is kept in memory until it gets too long, and then moves to the disk.
///
/// ```
/// use anyio::{Result, tempfile::SpooledTemporaryFile};
///
/// # anyio::run(async || -> Result<()> {
/// let mut file = SpooledTemporaryFile::new(10);
/// file.write_all("0123456789").await.0?;
/// assert!(!file.is_rolled_over());
/// file.write_all("x").await.0?;
/// assert!(file.is_rolled_over());
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct SpooledTemporaryFile {
    max_size: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory { contents: Vec<u8>, position: u64, builder: Builder },
    Disk(TemporaryFile),
}

impl Builder {
    /// A file that stays in memory until it is longer than `max_size` bytes, or longer than there is memory for.
    pub fn spooled_file(self, max_size: usize) -> SpooledTemporaryFile {
        SpooledTemporaryFile::new_of(self, max_size)
    }
}

impl SpooledTemporaryFile {
    /// An empty file, which moves to the disk when it gets longer than `max_size` bytes, or longer than there is memory for.
    /// [`Builder`] says where.
    pub fn new(max_size: usize) -> Self {
        Builder::new().spooled_file(max_size)
    }

    pub(super) fn new_of(builder: Builder, max_size: usize) -> Self {
        Self { max_size, place: Place::Memory { contents: Vec::new(), position: 0, builder } }
    }

    /// Whether the file has moved to the disk.
    pub fn is_rolled_over(&self) -> bool {
        matches!(self.place, Place::Disk(_))
    }

    /// Moves the file to the disk, if it is not there yet.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`] if the file cannot be made or written; it stays in memory then.
    ///
    /// # Cancel safety
    /// The file stays in memory.
    pub async fn rollover(&mut self) -> Result<()> {
        self.disk().await.map(drop)
    }

    /// The file on the disk; moves it there if need be.
    async fn disk(&mut self) -> Result<&mut TemporaryFile> {
        if let Place::Memory { contents, position, builder } = &mut self.place {
            let mut file = builder.clone().file().await?;
            // The contents stay here until all of them are there.
            file.write_all_at(contents.clone(), 0).await.0?;
            file.seek(SeekFrom::Start(*position)).await?;
            self.place = Place::Disk(file);
        }
        match &mut self.place {
            Place::Disk(file) => Ok(file),
            Place::Memory { .. } => unreachable!("it has moved to the disk"),
        }
    }

    /// Reads at the cursor, at most as many bytes as the buffer has room for, and gives their number: 0 at the end.
    ///
    /// # Errors
    /// As for [`File::read`](crate::fs::File::read).
    ///
    /// # Cancel safety
    /// As for [`File::read`](crate::fs::File::read).
    pub async fn read<B: IoBufMut>(&mut self, mut buffer: B) -> (Result<usize>, B) {
        let (contents, position) = match &mut self.place {
            Place::Disk(file) => return file.read(buffer).await,
            Place::Memory { contents, position, .. } => (contents, position),
        };
        if let Err(cancelled) = checkpoint().await {
            return (Err(cancelled.into()), buffer);
        }
        let rest =
            usize::try_from(*position).ok().and_then(|start| contents.get(start..)).unwrap_or_default();
        let count = rest.len().min(buffer.capacity());
        // SAFETY: the buffer has room for `count` bytes, which are initialised before they count.
        unsafe {
            buffer.pointer_mut().copy_from_nonoverlapping(rest.as_ptr(), count);
            buffer.set_filled(count);
        }
        *position += count as u64;
        (Ok(count), buffer)
    }

    /// Reads at the cursor until the buffer's room is full.
    ///
    /// # Errors
    /// As for [`File::read_exact`](crate::fs::File::read_exact).
    ///
    /// # Cancel safety
    /// As for [`File::read_exact`](crate::fs::File::read_exact).
    pub async fn read_exact<B: IoBufMut>(&mut self, buffer: B) -> (Result<()>, B) {
        match &mut self.place {
            Place::Disk(file) => file.read_exact(buffer).await,
            Place::Memory { .. } => self.receive_exactly_into(buffer).await,
        }
    }

    /// Reads from the cursor to the end as UTF-8, and gives its lines without their ends.
    ///
    /// # Errors
    /// As for [`File::read_lines`](crate::fs::File::read_lines).
    ///
    /// # Cancel safety
    /// As for errors.
    pub async fn read_lines(&mut self) -> Result<Vec<String>> {
        if let Place::Disk(file) = &mut self.place {
            return file.read_lines().await;
        }
        let (result, bytes) = self.read_to_end(Vec::new()).await;
        result?;
        lines_of(&bytes, "a temporary file")
    }

    /// Reads from the cursor to the end, appends it to `buffer`, and gives how many bytes it was.
    ///
    /// # Errors
    /// As for [`File::read_to_end`](crate::fs::File::read_to_end).
    ///
    /// # Cancel safety
    /// As for [`File::read_to_end`](crate::fs::File::read_to_end).
    pub async fn read_to_end(&mut self, mut buffer: Vec<u8>) -> (Result<usize>, Vec<u8>) {
        let (contents, position) = match &mut self.place {
            Place::Disk(file) => return file.read_to_end(buffer).await,
            Place::Memory { contents, position, .. } => (contents, position),
        };
        if let Err(cancelled) = checkpoint().await {
            return (Err(cancelled.into()), buffer);
        }
        let rest =
            usize::try_from(*position).ok().and_then(|start| contents.get(start..)).unwrap_or_default();
        buffer.extend_from_slice(rest);
        *position += rest.len() as u64;
        (Ok(rest.len()), buffer)
    }

    /// Writes all of a buffer's bytes at the cursor. If the cursor would be behind the bound then, the file moves to the
    /// disk before.
    ///
    /// # Errors
    /// As for [`File::write_all`](crate::fs::File::write_all).
    ///
    /// # Cancel safety
    /// As for [`File::write_all`](crate::fs::File::write_all).
    pub async fn write_all<B: IoBuf>(&mut self, buffer: B) -> (Result<(), WriteAllError>, B) {
        let result = match self.write_in_memory(buffer.bytes()).await {
            Ok(true) => Ok(()),
            Ok(false) => match self.disk().await {
                Ok(file) => return file.write_all(buffer).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        (result.map_err(|error| WriteAllError { written: 0, error }), buffer)
    }

    /// Writes a buffer's bytes at the cursor, at least some of them, and gives how many. If the cursor would be behind the bound
    /// when all are written, the file moves to the disk before.
    ///
    /// # Errors
    /// As for [`File::write`](crate::fs::File::write).
    ///
    /// # Cancel safety
    /// As for [`File::write`](crate::fs::File::write).
    pub async fn write<B: IoBuf>(&mut self, buffer: B) -> (Result<usize>, B) {
        match self.write_in_memory(buffer.bytes()).await {
            Ok(true) => (Ok(buffer.length()), buffer),
            Ok(false) => match self.disk().await {
                Ok(file) => file.write(buffer).await,
                Err(error) => (Err(error), buffer),
            },
            Err(error) => (Err(error), buffer),
        }
    }

    /// Writes all bytes, unless the file is on the disk or has to move there first, also for want of memory, which false says.
    async fn write_in_memory(&mut self, bytes: &[u8]) -> Result<bool> {
        let Place::Memory { contents, position, .. } = &mut self.place else { return Ok(false) };
        let end = position.saturating_add(bytes.len() as u64);
        if end > self.max_size as u64 {
            return Ok(false);
        }
        checkpoint().await?;
        // Both are at most the bound, which is a length in memory.
        let (start, end) = (*position as usize, end as usize);
        if contents.len() < end && !set_length(contents, end) {
            return Ok(false);
        }
        contents[start..end].copy_from_slice(bytes);
        *position = end as u64;
        Ok(true)
    }

    /// Moves the cursor and gives its new position.
    ///
    /// # Errors
    /// As for [`File::seek`](crate::fs::File::seek).
    ///
    /// # Cancel safety
    /// As for [`File::seek`](crate::fs::File::seek).
    pub async fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let (contents, position) = match &mut self.place {
            Place::Disk(file) => return file.seek(to).await,
            Place::Memory { contents, position, .. } => (contents, position),
        };
        checkpoint().await?;
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::Current(by) => position.checked_add_signed(by),
            SeekFrom::End(by) => (contents.len() as u64).checked_add_signed(by),
        };
        match target.filter(|&target| i64::try_from(target).is_ok()) {
            Some(target) => {
                *position = target;
                Ok(target)
            }
            None => {
                let error = io::Error::from_raw_os_error(libc::EINVAL);
                Err(Error::of_operation(error, "seek", "a temporary file"))
            }
        }
    }

    /// Moves the cursor to the beginning.
    ///
    /// # Errors
    /// A cancellation.
    pub async fn rewind(&mut self) -> Result<()> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Where the cursor is.
    ///
    /// # Errors
    /// None here; those of [`File::stream_position`](crate::fs::File::stream_position) on the disk.
    pub fn stream_position(&mut self) -> Result<u64> {
        match &mut self.place {
            Place::Disk(file) => file.stream_position(),
            Place::Memory { position, .. } => Ok(*position),
        }
    }

    /// Sets the length in bytes; a length beyond the bound moves the file to the disk. The cursor stays.
    ///
    /// # Errors
    /// As for [`File::set_len`](crate::fs::File::set_len).
    ///
    /// # Cancel safety
    /// As for [`File::set_len`](crate::fs::File::set_len).
    pub async fn set_len(&mut self, length: u64) -> Result<()> {
        if let Place::Memory { contents, .. } = &mut self.place {
            if length <= self.max_size as u64 {
                checkpoint().await?;
                // At most the bound, which is a length in memory.
                if set_length(contents, length as usize) {
                    return Ok(());
                }
            }
        }
        self.disk().await?.set_len(length).await
    }

    /// Closes the file, which is the end of it.
    ///
    /// # Errors
    /// As for [`File::close`](crate::fs::File::close).
    ///
    /// # Cancel safety
    /// As for [`File::close`](crate::fs::File::close).
    pub async fn close(self) -> Result<()> {
        match self.place {
            Place::Disk(file) => file.close().await,
            Place::Memory { .. } => Ok(()),
        }
    }
}

/// Cuts contents off, or adds zeroes. False if there is no memory for them.
fn set_length(contents: &mut Vec<u8>, length: usize) -> bool {
    let has_room = contents.try_reserve(length.saturating_sub(contents.len())).is_ok();
    if has_room {
        contents.resize(length, 0);
    }
    has_room
}
