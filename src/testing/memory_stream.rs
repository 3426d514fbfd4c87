//! Streams of bytes that need no operating system.

use crate::{
    error::Result,
    streams::{
        Attributes, ByteBuffer, ByteReceiveStream, ByteSendStream, ByteStream,
        memory::{ReceiveStream, SendStream, unbounded},
    },
    sync::ResourceGuard,
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use bytes::Bytes;

/// One end of a connection within the run: what is sent into it is received from the other end. Made by
/// [`memory_stream_pair`].
///
/// Nothing limits how much may be under way, so sending never waits. Pieces come out as they were sent, unless the
/// receiver asks for less.
#[derive(Debug)]
pub struct MemoryByteStream {
    sender: SendStream<Bytes>,
    receiver: ReceiveStream<Bytes>,
    rest: ByteBuffer,
    sending: ResourceGuard,
}

/// Two ends of a connection within the run.
///
/// ```
/// use anyio::{Result, streams::{ByteReceiveStream, ByteSendStream}, testing::memory_stream_pair};
///
/// # anyio::run(async || -> Result<()> {
/// let (mut one, mut other) = memory_stream_pair();
/// one.send("hello").await?;
/// assert_eq!(other.receive().await?.unwrap(), "hello");
/// # Ok(()) }).unwrap();
/// ```
pub fn memory_stream_pair() -> (MemoryByteStream, MemoryByteStream) {
    let (to_other, from_one) = unbounded();
    let (to_one, from_other) = unbounded();
    (MemoryByteStream::new(to_other, from_other), MemoryByteStream::new(to_one, from_one))
}

impl MemoryByteStream {
    fn new(sender: SendStream<Bytes>, receiver: ReceiveStream<Bytes>) -> Self {
        Self { sender, receiver, rest: ByteBuffer::default(), sending: ResourceGuard::new("sending") }
    }

    /// Receives what is there, if there is none waits for a piece. False at the end.
    async fn fill(&mut self) -> Result<bool> {
        // Also what is there already is received at a checkpoint.
        crate::lowlevel::checkpoint_if_cancelled().await?;
        while self.rest.is_empty() {
            match self.receiver.receive().await? {
                Some(piece) => self.rest.extend(&piece),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl ByteReceiveStream for MemoryByteStream {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_at_most(usize::MAX).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        Ok(if self.fill().await? { Some(self.rest.take_chunk(max_bytes)) } else { None })
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        match self.fill().await {
            Ok(true) => self.rest.take_into(buffer),
            Ok(false) => (Ok(0), buffer),
            Err(error) => (Err(error), buffer),
        }
    }
}

impl ByteSendStream for MemoryByteStream {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        let result = async {
            let _sending = self.sending.enter()?;
            if data.length() == 0 {
                return Ok(crate::lowlevel::checkpoint_if_cancelled().await?);
            }
            self.sender.send(Bytes::copy_from_slice(data.bytes())).await
        }
        .await;
        (result, data)
    }
}

impl ByteStream for MemoryByteStream {
    async fn send_eof(&mut self) -> Result<()> {
        self.sender.close();
        Ok(())
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

impl Attributes for MemoryByteStream {}
