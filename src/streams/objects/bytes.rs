//! A stream of bytes over a stream of objects.

use crate::{
    error::Result,
    lowlevel::checkpoint_if_cancelled,
    streams::{
        AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, ObjectReceiveStream,
        ObjectSendStream, byte_buffer::ByteBuffer,
    },
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};

/// A stream of objects that are pieces of bytes, as a stream of bytes: what comes in an object and is not yet asked for is
/// kept, and what is sent goes as a vector. Empty pieces are skipped, since they are not the end.
///
/// ```
/// use anyio::{Result, streams::{BufferedByteStream, memory, objects::ObjectBytes}};
///
/// # anyio::run(async || -> Result<()> {
/// let (sender, receiver) = memory::channel(2);
/// sender.send("a li").await?;
/// sender.send("ne\n").await?;
/// let mut lines = BufferedByteStream::new(ObjectBytes::new(receiver));
/// assert_eq!(lines.receive_line(100).await?.as_deref(), Some("a line"));
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct ObjectBytes<S> {
    stream: S,
    buffer: ByteBuffer,
}

impl<S> ObjectBytes<S> {
    /// The bytes of a stream that only receives, only sends, or does both.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: ByteBuffer::default() }
    }

    /// The wrapped stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The wrapped stream. Bytes that were received and not asked for are lost.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: ObjectReceiveStream<Item: AsRef<[u8]>>> ObjectBytes<S> {
    /// Waits until there are bytes; false at the end.
    async fn fill(&mut self) -> Result<bool> {
        if !self.buffer.is_empty() {
            checkpoint_if_cancelled().await?;
        }
        while self.buffer.is_empty() {
            match self.stream.receive().await? {
                Some(piece) => self.buffer.extend(piece.as_ref()),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl<S: ObjectReceiveStream<Item: AsRef<[u8]>>> ByteReceiveStream for ObjectBytes<S> {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_at_most(usize::MAX).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        Ok(self.fill().await?.then(|| self.buffer.take_chunk(max_bytes)))
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        if buffer.capacity() == 0 {
            return (Ok(0), buffer);
        }
        match self.fill().await {
            Ok(_) => self.buffer.take_into(buffer),
            Err(error) => (Err(error), buffer),
        }
    }

    async fn close_receiving(self) -> Result<()> {
        self.stream.close_receiving().await
    }
}

impl<S: ObjectSendStream<Vec<u8>>> ByteSendStream for ObjectBytes<S> {
    /// Sends all bytes as one object; without any, nothing is sent.
    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        let piece = data.bytes().to_vec();
        let count = piece.len();
        let sent = if piece.is_empty() { Ok(()) } else { self.stream.send(piece).await };
        (sent.map(|()| count), data)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.stream.send_eof().await
    }

    async fn close_sending(self) -> Result<()> {
        self.stream.close_sending().await
    }
}

impl<S> ByteStream for ObjectBytes<S>
where
    S: ObjectReceiveStream<Item: AsRef<[u8]>> + ObjectSendStream<Vec<u8>>,
{
    /// Says that nothing more will be sent and drops the stream.
    async fn close(self) -> Result<()> {
        self.stream.close_sending().await
    }
}

impl<S: Attributes> Attributes for ObjectBytes<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}
