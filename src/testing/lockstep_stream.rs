//! Streams of bytes without any buffer.

use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    streams::{
        Attributes, ByteBuffer, ByteReceiveStream, ByteSendStream, ByteStream, Split,
        memory::{ReceiveStream, SendStream, channel},
    },
    sync::{Event, ResourceGuard},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use std::{cell::RefCell, io, rc::Rc};

/// One end of a connection within the run that holds nothing: a send ends when all its bytes were received at the other
/// end, and not before. Made by [`lockstep_stream_pair`].
///
/// So whatever relies on a buffer that happens to be there, as two sides do that both send before they receive, waits for
/// ever on this stream; on a [virtual clock](crate::Clock::Virtual) it is reported.
#[derive(Debug)]
pub struct LockstepByteStream {
    receive: LockstepByteReceiveHalf,
    send: LockstepByteSendHalf,
}

/// The receiving half of a [`LockstepByteStream`].
#[derive(Debug)]
pub struct LockstepByteReceiveHalf {
    receiver: ReceiveStream<Offered>,
    taking: Option<Offered>,
    /// The same in both halves.
    stream: Rc<()>,
}

/// The sending half of a [`LockstepByteStream`]. Dropping it tells the other end that nothing more will be sent.
#[derive(Debug)]
pub struct LockstepByteSendHalf {
    sender: SendStream<Offered>,
    sending: ResourceGuard,
    stream: Rc<()>,
}

/// Two ends of a connection within the run on which each send waits until its bytes were received.
///
/// ```
/// use anyio::{
///     Result,
///     streams::{ByteReceiveStream, ByteSendStream},
///     task_group,
///     testing::{lockstep_stream_pair, wait_all_tasks_blocked},
/// };
///
/// # anyio::run(async || -> Result<()> {
/// let (mut one, mut other) = lockstep_stream_pair();
/// task_group(async |tg| -> Result<()> {
///     let sending = tg.start_soon(async { one.send("hello").await });
///     assert_eq!(other.receive_at_most(4).await?.unwrap(), "hell");
///     wait_all_tasks_blocked().await?;
///     assert!(!sending.is_finished());
///     assert_eq!(other.receive().await?.unwrap(), "o");
///     sending.await?;
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
pub fn lockstep_stream_pair() -> (LockstepByteStream, LockstepByteStream) {
    let (to_other, from_one) = channel(0);
    let (to_one, from_other) = channel(0);
    (LockstepByteStream::new(to_other, from_other), LockstepByteStream::new(to_one, from_one))
}

/// The bytes of a send that were not received yet.
#[derive(Debug, Default)]
struct Offer {
    bytes: RefCell<ByteBuffer>,
    over: Event,
}

/// The receiver's side of an offer. It is over when this is dropped; what is left by then is refused.
#[derive(Debug)]
struct Offered(Rc<Offer>);

impl Drop for Offered {
    fn drop(&mut self) {
        self.0.over.set();
    }
}

/// The sender's side. Dropping it takes back what is left.
struct Offering(Rc<Offer>);

impl Offering {
    fn new(data: &[u8]) -> Self {
        let offer = Offer::default();
        offer.bytes.borrow_mut().extend(data);
        Self(Rc::new(offer))
    }
}

impl Drop for Offering {
    fn drop(&mut self) {
        self.0.bytes.take();
    }
}

impl LockstepByteStream {
    fn new(sender: SendStream<Offered>, receiver: ReceiveStream<Offered>) -> Self {
        let stream = Rc::new(());
        Self {
            receive: LockstepByteReceiveHalf { receiver, taking: None, stream: stream.clone() },
            send: LockstepByteSendHalf { sender, sending: ResourceGuard::new("sending"), stream },
        }
    }
}

impl LockstepByteReceiveHalf {
    /// Waits for bytes. `None` at the end.
    async fn offered(&mut self) -> Result<Option<&RefCell<ByteBuffer>>> {
        // Also what is there already is received at a checkpoint.
        checkpoint_if_cancelled().await?;
        while self.taking.as_ref().is_none_or(|offered| offered.0.bytes.borrow().is_empty()) {
            // It may have been taken back meanwhile.
            self.taking = None;
            match self.receiver.receive().await? {
                Some(offered) => self.taking = Some(offered),
                None => return Ok(None),
            }
        }
        Ok(self.taking.as_ref().map(|offered| &offered.0.bytes))
    }

    /// Lets the sender go on if everything was received.
    fn release(&mut self) {
        self.taking.take_if(|offered| offered.0.bytes.borrow().is_empty());
    }
}

impl ByteReceiveStream for LockstepByteReceiveHalf {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_at_most(usize::MAX).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        let chunk = self.offered().await?.map(|bytes| bytes.borrow_mut().take_chunk(max_bytes));
        self.release();
        Ok(chunk)
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        let received = match self.offered().await {
            Ok(Some(bytes)) => bytes.borrow_mut().take_into(buffer),
            Ok(None) => (Ok(0), buffer),
            Err(error) => (Err(error), buffer),
        };
        self.release();
        received
    }
}

impl ByteSendStream for LockstepByteSendHalf {
    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        let result = async {
            let _sending = self.sending.enter()?;
            if data.length() == 0 {
                return Ok(checkpoint_if_cancelled().await.map(|()| 0)?);
            }
            let offering = Offering::new(data.bytes());
            self.sender.send(Offered(offering.0.clone())).await?;
            let waited = offering.0.over.wait().await;
            let taken = data.length() - offering.0.bytes.borrow().bytes().len();
            match waited {
                Err(cancelled) if taken == 0 => Err(cancelled.into()),
                Ok(()) if taken == 0 => Err(Error::BrokenResource(io::Error::other(
                    "the other end is gone and has not received all",
                ))),
                _ => Ok(taken),
            }
        }
        .await;
        (result, data)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.sender.close();
        Ok(())
    }
}

super::whole_stream!(LockstepByteStream, LockstepByteReceiveHalf, LockstepByteSendHalf);

impl ByteStream for LockstepByteStream {
    async fn close(self) -> Result<()> {
        Ok(())
    }
}

impl Attributes for LockstepByteStream {}
impl Attributes for LockstepByteReceiveHalf {}
impl Attributes for LockstepByteSendHalf {}
