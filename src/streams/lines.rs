//! A stream of bytes, line by line.

use super::{AttributeRequest, Attributes, BufferedByteStream, ByteReceiveStream, ObjectReceiveStream};
use crate::error::Result;

/// The lines of a stream of bytes. Made by [`BufferedByteStream::lines`].
#[derive(Debug)]
pub struct Lines<S> {
    stream: BufferedByteStream<S>,
    max_bytes: usize,
}

impl<S> Lines<S> {
    pub(super) fn new(stream: BufferedByteStream<S>, max_bytes: usize) -> Self {
        Self { stream, max_bytes }
    }

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
