//! Streams of bytes that need no operating system.

use crate::{
    error::Result,
    streams::{
        Attributes, ByteBuffer, ByteReceiveStream, ByteSendStream, ByteStream, Split,
        memory::{ReceiveStream, SendStream, unbounded},
    },
    sync::ResourceGuard,
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use bytes::Bytes;
use std::rc::Rc;

/// One end of a connection within the run: what is sent into it is received from the other end. Made by
/// [`memory_stream_pair`].
///
/// Nothing limits how much may be under way, so sending never waits. Pieces come out as they were sent, unless the
/// receiver asks for less.
#[derive(Debug)]
pub struct MemoryByteStream {
    receive: MemoryByteReceiveHalf,
    send: MemoryByteSendHalf,
}

/// The receiving half of a [`MemoryByteStream`].
#[derive(Debug)]
pub struct MemoryByteReceiveHalf {
    receiver: ReceiveStream<Bytes>,
    rest: ByteBuffer,
    /// The same in both halves.
    stream: Rc<()>,
}

/// The sending half of a [`MemoryByteStream`]. Dropping it tells the other end that nothing more will be sent.
#[derive(Debug)]
pub struct MemoryByteSendHalf {
    sender: SendStream<Bytes>,
    sending: ResourceGuard,
    stream: Rc<()>,
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
        let stream = Rc::new(());
        Self {
            receive: MemoryByteReceiveHalf { receiver, rest: ByteBuffer::default(), stream: stream.clone() },
            send: MemoryByteSendHalf { sender, sending: ResourceGuard::new("sending"), stream },
        }
    }
}

impl MemoryByteReceiveHalf {
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

impl ByteReceiveStream for MemoryByteReceiveHalf {
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

impl ByteSendStream for MemoryByteSendHalf {
    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        let result = async {
            let _sending = self.sending.enter()?;
            if data.length() == 0 {
                return Ok(crate::lowlevel::checkpoint_if_cancelled().await.map(|()| 0)?);
            }
            self.sender.send(Bytes::copy_from_slice(data.bytes())).await.map(|()| data.length())
        }
        .await;
        (result, data)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.sender.close();
        Ok(())
    }
}

super::whole_stream!(MemoryByteStream, MemoryByteReceiveHalf, MemoryByteSendHalf);

impl ByteStream for MemoryByteStream {
    async fn close(self) -> Result<()> {
        Ok(())
    }
}

impl Attributes for MemoryByteStream {}
impl Attributes for MemoryByteReceiveHalf {}
impl Attributes for MemoryByteSendHalf {}
