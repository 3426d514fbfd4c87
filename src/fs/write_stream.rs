//! Writing a file from one end to the other.

use super::{
    File, OpenOptions,
    checkpoint::checkpoint,
    operations::{Write, check_position},
};
use crate::{
    error::{Error, Result},
    runtime::{Answer, Descriptor, Operation, Refusal},
    scope::shield,
    streams::{AttributeRequest, Attributes, ByteSendStream},
};
use anyio_driver::{Held, IoBuf};
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    io,
    path::Path,
    pin::Pin,
    task::Poll,
};

/// Writes buffers one behind the other into a file, and goes on while some of them are still being written.
///
/// An error is therefore reported late: by the next `send`, or by [`flush`](Self::flush) or [`close`](Self::close), of
/// which one has to be the last call. After an error nothing more is written. A stream that is merely dropped may lose
/// what it was writing, and errors with it.
///
/// ```
/// use anyio::{Result, fs::FileWriteStream};
///
/// # anyio::run(async || -> Result<()> {
/// # let path = std::env::temp_dir().join(format!("anyio-sink-{}", std::process::id()));
/// let mut stream = FileWriteStream::create(&path).await?.write_behind(8);
/// for line in ["one\n", "two\n"] {
///     stream.send(line).await?;
/// }
/// stream.close().await?;
/// assert_eq!(anyio::fs::read(&path).await?, b"one\ntwo\n");
/// # anyio::fs::remove_file(&path).await?;
/// # Ok(()) }).unwrap();
/// ```
pub struct FileWriteStream {
    file: File,
    depth: usize,
    /// Where the next buffer goes; `None` for the end of a file opened for appending, and for what has no positions.
    position: Option<u64>,
    behind: VecDeque<Writing>,
    /// An error that nobody has been told of yet.
    failure: Option<Error>,
    failed: bool,
}

type Writing = Pin<Box<dyn Future<Output = Result<(), Refusal>>>>;

impl FileWriteStream {
    /// Opens a file to be written from its beginning: makes it if it is not there, empties it if it is.
    ///
    /// # Errors
    /// As for [`File::create`].
    ///
    /// # Cancel safety
    /// As for [`File::create`].
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        File::create(path).await.map(Self::from)
    }

    /// Opens a file to be written from its end on; makes it if it is not there.
    ///
    /// # Errors
    /// As for [`OpenOptions::open`].
    ///
    /// # Cancel safety
    /// As for [`OpenOptions::open`].
    pub async fn append(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().append(true).create(true).open(path).await.map(Self::from)
    }

    /// How many buffers may be on their way while `send` returns. 4 by default; with 0 each `send` waits for its own. What
    /// is appended, and what goes to something without positions, is written one buffer after the other.
    #[must_use]
    pub fn write_behind(mut self, buffers: usize) -> Self {
        self.depth = buffers;
        self
    }

    /// Writes all of a buffer behind what was sent before.
    ///
    /// # Errors
    /// A cancellation, if nothing of this buffer has been written. [`Error::Io`] if this or an earlier buffer could not be
    /// written; [`Error::BrokenResource`] if that has been told before.
    ///
    /// # Cancel safety
    /// What has begun is written. Of what goes to a pipe a part may have been written.
    pub async fn send<B: IoBuf>(&mut self, buffer: B) -> Result<()> {
        self.make_room().await?;
        let Some(position) = self.position else { return self.append_buf(buffer).await.0 };
        self.reserve(position, buffer.length())?;
        let descriptor = self.file.descriptor();
        let held = Held::new(buffer);
        let mut writing: Writing = Box::pin(async move { write_all(descriptor, held, position).await.0 });
        if self.depth == 0 {
            self.note(writing.await);
            return self.report();
        }
        // Being polled once begins it.
        let begun = poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx))).await;
        match begun {
            Poll::Ready(result) => self.note(result),
            Poll::Pending => self.behind.push_back(writing),
        }
        Ok(())
    }

    /// Waits until one more buffer may be on its way.
    async fn make_room(&mut self) -> Result<()> {
        checkpoint().await?;
        self.wait_for(self.depth.max(1) - 1).await;
        self.report()
    }

    /// Has the next buffer go behind one of this length.
    fn reserve(&mut self, position: u64, length: usize) -> Result<()> {
        check_position(position, length).map_err(|refusal| self.file.refused(refusal, "write"))?;
        self.position = Some(position + length as u64);
        Ok(())
    }

    /// Writes to the end of the file, or to what has no positions.
    async fn append_buf<B: IoBuf>(&mut self, buffer: B) -> (Result<()>, B) {
        let (result, buffer) = self.file.write_all(buffer).await;
        (result.map_err(|failed| failed.error), buffer)
    }

    /// Waits until all that was sent has been written. ([`File::sync_all`] has it reach the device.)
    ///
    /// # Errors
    /// A cancellation. Otherwise as for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// What has been sent is written.
    pub async fn flush(&mut self) -> Result<()> {
        checkpoint().await?;
        self.wait_for(0).await;
        self.report()
    }

    /// Waits until all that was sent has been written, and closes the file.
    ///
    /// # Errors
    /// As for [`send`](Self::send) and [`File::close`]. The file is closed all the same.
    ///
    /// # Cancel safety
    /// All of it is done in a cancelled scope too. If the future is dropped, what was sent may be lost.
    pub async fn close(mut self) -> Result<()> {
        let flushed = shield(self.flush()).await;
        let closed = self.file.close().await;
        flushed.and(closed)
    }

    /// Waits until at most so many buffers are on their way.
    async fn wait_for(&mut self, most: usize) {
        while self.behind.len() > most {
            let Some(first) = self.behind.front_mut() else { return };
            let result = first.await;
            self.behind.pop_front();
            self.note(result);
        }
    }

    fn note(&mut self, result: Result<(), Refusal>) {
        if let Err(refusal) = result {
            if !std::mem::replace(&mut self.failed, true) {
                self.failure = Some(self.file.refused(refusal, "write"));
            }
        }
    }

    /// Tells of an error, in full once.
    fn report(&mut self) -> Result<()> {
        match (self.failure.take(), self.failed) {
            (Some(error), _) => Err(error),
            (None, true) => Err(Error::BrokenResource(io::Error::other("an earlier write has failed"))),
            (None, false) => Ok(()),
        }
    }

    /// Where in the file the next buffer goes, or `None` where that is not known before.
    pub fn tell(&self) -> Option<u64> {
        self.position
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Writes a whole buffer, whatever the scope says.
async fn write_all<B: IoBuf>(
    descriptor: Descriptor,
    mut buffer: Held<B>,
    position: u64,
) -> (Result<(), Refusal>, B) {
    let (length, mut written) = (buffer.get().length(), 0);
    while written < length {
        let offset = Some(position + written as u64);
        let write = Write { descriptor: descriptor.clone(), buffer, skip: written, offset };
        let answer: Answer;
        (answer, buffer) = Operation::shielded(write).await;
        match answer {
            Ok(0) => return (Err(Refusal::System(libc::ENOSPC)), buffer.into_inner()),
            Ok(count) => written += count as usize,
            Err(refusal) => return (Err(refusal), buffer.into_inner()),
        }
    }
    (Ok(()), buffer.into_inner())
}

impl ByteSendStream for FileWriteStream {
    async fn send(&mut self, data: impl IoBuf) -> Result<()> {
        self.send(data).await.map_err(Error::of_lost_link)
    }

    /// Waits until the buffer has been written, so that it can be given back; what was sent before may still be on its
    /// way.
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        if let Err(error) = self.make_room().await {
            return (Err(error), data);
        }
        let Some(position) = self.position else {
            let (result, data) = self.append_buf(data).await;
            return (result.map_err(Error::of_lost_link), data);
        };
        if let Err(error) = self.reserve(position, data.length()) {
            return (Err(error), data);
        }
        let (result, data) = write_all(self.file.descriptor(), Held::new(data), position).await;
        self.note(result);
        (self.report(), data)
    }

    /// Sends all bytes, as [`send_buf`](Self::send_buf) does, but for what has no positions.
    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        if self.position.is_some() {
            let (result, data) = self.send_buf(data).await;
            return (result.map(|()| data.length()), data);
        }
        if let Err(error) = self.make_room().await {
            return (Err(error), data);
        }
        self.file.send_some(data).await
    }

    /// As [`close`](Self::close).
    async fn close_sending(self) -> Result<()> {
        self.close().await
    }
}

impl Attributes for FileWriteStream {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.file.provide(request);
    }
}

impl From<File> for FileWriteStream {
    /// The stream begins at the file's cursor, or at the end of a file opened for appending.
    fn from(mut file: File) -> Self {
        let position = if file.appends() { None } else { file.position() };
        Self { file, depth: 4, position, behind: VecDeque::new(), failure: None, failed: false }
    }
}

impl fmt::Debug for FileWriteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWriteStream")
            .field("file", &self.file)
            .field("position", &self.position)
            .field("behind", &self.behind.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
