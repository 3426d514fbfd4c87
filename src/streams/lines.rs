//! A stream of bytes, line by line.

use super::{AttributeRequest, Attributes, BufferedByteStream, ByteReceiveStream, ObjectReceiveStream};
use crate::error::Result;

/// The lines of a stream of bytes. Made by [`BufferedByteStream::lines`].
#[derive(Debug)]
pub struct Lines<S> {
    stream: BufferedByteStream<S>,
    max_bytes: usize,
}

impl<S: ByteReceiveStream> BufferedByteStream<S> {
    /// The lines, each as from [`receive_line`](Self::receive_line).
    ///
    /// ```
    /// use anyio::{Result, fs::FileReadStream, streams::{BufferedByteStream, ObjectReceiveStream}};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// let file = FileReadStream::open("/proc/self/status").await?;
    /// let mut lines = BufferedByteStream::new(file).lines(65_536);
    /// while let Some(line) = lines.receive().await? {
    ///     assert!(line.contains(':'));
    /// }
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn lines(self, max_bytes: usize) -> Lines<S> {
        Lines { stream: self, max_bytes }
    }
}

impl<S> Lines<S> {
    /// The stream, at the beginning of the next line.
    pub fn into_inner(self) -> BufferedByteStream<S> {
        self.stream
    }
}

impl<S: ByteReceiveStream> ObjectReceiveStream for Lines<S> {
    type Item = String;

    async fn receive(&mut self) -> Result<Option<String>> {
        self.stream.receive_line(self.max_bytes).await
    }
}

impl<S: Attributes> Attributes for Lines<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}
