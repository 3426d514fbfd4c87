//! Reading a file from one end to the other.
//!
//! # Contract
//! What is received into a caller's buffer fills no more than its room, and then the buffer is told how much is filled,
//! as [`IoBufMut`] asks.

use super::{
    File,
    checkpoint::checkpoint,
    operations::{Read, check_position},
};
use crate::{
    error::{Cancelled, Result},
    runtime::{Core, Operation, Refusal},
    streams::{AttributeRequest, Attributes, ByteReceiveStream},
};
use anyio_driver::{BufferPool, Chunk, Driver, Held, IoBufMut};
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

/// A file's contents in chunks, of which several are read ahead.
///
/// The chunks lie in buffers of the stream's own, which are used again when the chunks are dropped. They begin on a page,
/// as direct access asks.
///
/// ```
/// use anyio::{Result, fs::FileReadStream};
///
/// # anyio::run(async || -> Result<()> {
/// # let path = std::env::temp_dir().join(format!("anyio-chunks-{}", std::process::id()));
/// # anyio::fs::write(&path, vec![7; 200_000]).await?;
/// let mut stream = FileReadStream::open(&path).await?.chunk_size(64 << 10).read_ahead(4);
/// let mut sum = 0;
/// while let Some(chunk) = stream.receive().await? {
///     sum += chunk.len();
/// }
/// assert_eq!(sum, 200_000);
/// # anyio::fs::remove_file(&path).await?;
/// # Ok(()) }).unwrap();
/// ```
pub struct FileReadStream {
    file: File,
    /// Its buffers are as long as a chunk.
    pool: BufferPool,
    depth: usize,
    /// Where the next chunk is read; `None` for what has no positions.
    position: Option<u64>,
    ahead: VecDeque<Operation<Read<Chunk>>>,
    /// What was read and not asked for: the rest of a chunk.
    rest: Option<Chunk>,
}

impl FileReadStream {
    /// Opens a file to be read from its beginning.
    ///
    /// # Errors
    /// As for [`File::open`].
    ///
    /// # Cancel safety
    /// As for [`File::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        File::open(path).await.map(Self::from)
    }

    /// How long a chunk is, in bytes. At least 1, at most 1 GiB; 128 KiB by default. The last one is shorter, and so are those of
    /// which the system has read only a part, as it may on some file systems.
    #[must_use]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.ahead.clear();
        self.pool = BufferPool::new(bytes.clamp(1, 1 << 30));
        self
    }

    /// How many chunks are read at a time, the one that is waited for included. At least 1, at most 1024; 4 by default. What
    /// has no positions is read one chunk at a time.
    #[must_use]
    pub fn read_ahead(mut self, chunks: usize) -> Self {
        self.depth = chunks.clamp(1, 1024);
        self
    }

    /// The next chunk, or `None` at the end of the file.
    ///
    /// # Errors
    /// A cancellation. [`Error::Io`](crate::Error::Io) if the system refuses.
    ///
    /// # Cancel safety
    /// No byte of a file is lost; the next call gives this chunk. Of a pipe none is lost by a cancellation.
    pub async fn receive(&mut self) -> Result<Option<Chunk>> {
        let ahead = self.pool.buffer_size().saturating_mul(self.depth);
        if let Some(Err(refusal)) = self.position.map(|position| check_position(position, ahead)) {
            return Err(self.file.refused(refusal, "read"));
        }
        checkpoint().await?;
        match self.rest.take() {
            Some(rest) => Ok(Some(rest)),
            None => poll_fn(|cx| self.poll_receive(cx)).await,
        }
    }

    /// Has at least one byte in `rest`, unless the file has ended.
    async fn fill(&mut self) -> Result<Option<&mut Chunk>> {
        self.rest = self.receive().await?;
        Ok(self.rest.as_mut())
    }

    /// Forgets so many bytes of what is in `rest`.
    fn consume(&mut self, count: usize) {
        if let Some(mut rest) = self.rest.take() {
            if rest.len() > count {
                rest.advance(count);
                self.rest = Some(rest);
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        loop {
            self.start(cx);
            let (answer, buffer) = match self.ahead.front_mut().map(|front| Pin::new(front).poll(cx)) {
                Some(Poll::Ready(output)) => output,
                Some(Poll::Pending) => return Poll::Pending,
                None => return Poll::Ready(Err(Cancelled::new().into())),
            };
            self.ahead.pop_front();
            match answer {
                Ok(count) => {
                    if (count as usize) < self.pool.buffer_size() {
                        // What is read ahead began at the wrong place.
                        self.ahead.clear();
                    }
                    self.position = self.position.map(|position| position + u64::from(count));
                    return Poll::Ready(Ok((count > 0).then(|| buffer.into_inner())));
                }
                // It was begun in another scope, which was cancelled, so it is begun again.
                Err(Refusal::Cancelled) if !Core::with(Core::scope_is_effective) => self.ahead.clear(),
                Err(refusal) => {
                    self.ahead.clear();
                    return Poll::Ready(Err(self.file.refused(refusal, "read")));
                }
            }
        }
    }

    /// Has more chunks read.
    fn start(&mut self, cx: &mut Context<'_>) {
        let depth = if self.position.is_some() { self.depth } else { 1 };
        while self.ahead.len() < depth {
            let before = (self.ahead.len() * self.pool.buffer_size()) as u64;
            let mut read = Operation::new(Read {
                descriptor: self.file.descriptor(),
                buffer: Held::new(self.pool.take()),
                skip: 0,
                offset: self.position.map(|position| position + before),
            });
            if !read.begin(cx) {
                return;
            }
            self.ahead.push_back(read);
        }
    }

    /// Moves to a position in the file.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) for what has no positions, and for those beyond what a file can have.
    pub fn seek(&mut self, position: u64) -> Result<()> {
        let refused = match self.position {
            Some(_) => check_position(position, 0),
            None => Err(Refusal::System(libc::ESPIPE)),
        };
        refused.map_err(|refusal| self.file.refused(refusal, "seek"))?;
        self.ahead.clear();
        self.rest = None;
        self.position = Some(position);
        Ok(())
    }

    /// Where in the file the next chunk begins, or `None` for what has no positions.
    pub fn tell(&self) -> Option<u64> {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len() as u64);
        self.position.map(|position| position - rest)
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file, with its cursor behind the last byte that was given.
    pub fn into_file(mut self) -> File {
        if let Some(position) = self.tell() {
            self.file.set_position(position);
        }
        self.file
    }

    /// Closes the file.
    ///
    /// # Errors
    /// As for [`File::close`].
    ///
    /// # Cancel safety
    /// As for [`File::close`].
    pub async fn close(self) -> Result<()> {
        self.into_file().close().await
    }
}

impl ByteReceiveStream for FileReadStream {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive().await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        let Some(rest) = self.fill().await? else { return Ok(None) };
        if rest.len() <= max_bytes {
            return Ok(self.rest.take());
        }
        let mut part = Core::with(|core| core.driver().pool().take());
        let count = max_bytes.min(part.spare_capacity());
        part.extend_from_slice(&rest[..count]).expect("no more than there is room for");
        self.consume(count);
        Ok(Some(part))
    }

    async fn receive_into<B: IoBufMut>(&mut self, mut buffer: B) -> (Result<usize>, B) {
        if buffer.capacity() == 0 {
            return (Ok(0), buffer);
        }
        let count = match self.fill().await {
            Ok(rest) => rest.map_or(0, |rest| copy_into(rest, &mut buffer)),
            Err(error) => return (Err(error), buffer),
        };
        self.consume(count);
        (Ok(count), buffer)
    }

    async fn close_receiving(self) -> Result<()> {
        self.close().await
    }
}

/// Copies as much as there is room for to the buffer's beginning.
fn copy_into(bytes: &[u8], buffer: &mut impl IoBufMut) -> usize {
    let count = bytes.len().min(buffer.capacity());
    // SAFETY: there is room for `count` bytes in the buffer, whose memory nobody else uses, and `count` are there.
    unsafe {
        buffer.pointer_mut().copy_from_nonoverlapping(bytes.as_ptr(), count);
        buffer.set_filled(count);
    }
    count
}

impl Attributes for FileReadStream {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.file.provide(request);
    }
}

impl From<File> for FileReadStream {
    /// The stream begins at the file's cursor.
    fn from(mut file: File) -> Self {
        let position = file.position();
        let pool = BufferPool::new(128 << 10);
        Self { file, pool, depth: 4, position, ahead: VecDeque::new(), rest: None }
    }
}

impl fmt::Debug for FileReadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReadStream")
            .field("file", &self.file)
            .field("position", &self.tell())
            .field("ahead", &self.ahead.len())
            .finish_non_exhaustive()
    }
}
