//! What comes in from below, and its decryption.

use super::record_boundary::{HEADER, RecordBoundary};
use crate::{
    error::{Error, Result},
    lowlevel::take_chunk,
    streams::ByteReceiveStream,
};
use anyio_driver::Chunk;
use rustls::{Connection, InvalidMessage};
use std::{
    cell::{Cell, RefCell},
    io::{self, Read},
    task::{Context, Poll, ready},
};

/// What makes the buffer of rustls for what comes in grow.
const SMALL: usize = 4096 - HEADER;

/// The receiving direction of a connection. Used by one task at a time.
pub(super) struct Incoming<R> {
    pub(super) busy: Cell<bool>,
    /// Borrowed while something is received.
    pub(super) stream: RefCell<R>,
    /// What was received and not decrypted.
    ciphertext: Cell<Option<Chunk>>,
    boundary: Cell<RecordBoundary>,
    /// How many bytes at the front of that rustls has already: of the header of the record that follows.
    ahead: Cell<usize>,
    /// Whether more is likely to be there than was received.
    has_more: Cell<bool>,
    /// Whether the peer has said that it sends no more.
    closed: Cell<bool>,
}

impl<R> Incoming<R> {
    pub(super) fn new(stream: R) -> Self {
        Self {
            busy: Cell::new(false),
            stream: RefCell::new(stream),
            ciphertext: Cell::new(None),
            boundary: Cell::default(),
            ahead: Cell::new(0),
            has_more: Cell::new(false),
            closed: Cell::new(false),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    pub(super) fn has_ciphertext(&self) -> bool {
        let ciphertext = self.ciphertext.take();
        let has = ciphertext.is_some();
        self.ciphertext.set(ciphertext);
        has
    }

    /// Decrypts up to the end of a record, and keeps what follows.
    pub(super) fn decrypt(&self, connection: &mut Connection, mut chunk: Chunk) -> Result<(), rustls::Error> {
        let ahead = self.ahead.take();
        let mut boundary = self.boundary.get();
        let count = ahead + boundary.pass(&chunk[ahead..]);
        let is_large = boundary.ended().is_some_and(|length| length > SMALL);
        // The buffer of rustls has grown, and would shrink and grow again with each record. With the beginning of the next
        // one in it, it stays as it is. If that turns out not to be one, it is still in the chunk.
        let of_next = match is_large && !connection.is_handshaking() {
            true => boundary.pass_header(&chunk[count..]),
            false => 0,
        };
        self.boundary.set(boundary);
        let mut bytes = &chunk[ahead..count + of_next];
        let mut refused = false;
        while !bytes.is_empty() && !refused {
            // It takes some kilobytes at a time, and refuses what no message is as long as.
            refused = !matches!(connection.read_tls(&mut bytes), Ok(1..));
        }
        chunk.advance(count);
        if !chunk.is_empty() {
            self.ahead.set(of_next);
            self.ciphertext.set(Some(chunk));
        }
        self.process(connection)?;
        if refused && !self.closed.get() {
            return Err(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        Ok(())
    }

    /// Decrypts the records that rustls has.
    fn process(&self, connection: &mut Connection) -> Result<(), rustls::Error> {
        let state = connection.process_new_packets();
        self.closed.set(state?.peer_has_closed());
        let boundary = self.boundary.get();
        if boundary.ended().is_some_and(|length| length > SMALL) && boundary.header().is_empty() {
            // Its buffer shrinks when it is about to read again: so this is no waste, and fails as it should.
            let _ = connection.read_tls(&mut Nothing);
        }
        Ok(())
    }

    /// The stream, and what was received from it and does not belong to TLS.
    pub(super) fn into_inner(self) -> (R, Option<Chunk>) {
        let rest = self.ciphertext.take().or_else(|| {
            let boundary = self.boundary.get();
            let is_behind = self.closed.get() && !boundary.header().is_empty();
            is_behind.then(|| {
                let mut rest = take_chunk();
                // There is room: the chunks of this run are longer, as no header comes like this otherwise.
                let _ = rest.extend_from_slice(boundary.header());
                rest
            })
        });
        (self.stream.into_inner(), rest)
    }
}

impl<R: ByteReceiveStream> Incoming<R> {
    /// What is to be decrypted next: what was kept, or else what is received. `None` if the stream below has ended.
    #[expect(clippy::await_holding_refcell_ref, reason = "who receives has reserved this direction")]
    pub(super) async fn next(&self) -> Result<Option<Chunk>> {
        if let Some(chunk) = self.ciphertext.take() {
            return Ok(Some(chunk));
        }
        let chunk = self.stream.borrow_mut().receive().await?;
        self.note(chunk.as_ref());
        Ok(chunk)
    }

    /// The same for those who poll.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        if let Some(chunk) = self.ciphertext.take() {
            return Poll::Ready(Ok(Some(chunk)));
        }
        let chunk = ready!(self.stream.borrow_mut().poll_receive(cx))?;
        self.note(chunk.as_ref());
        Poll::Ready(Ok(chunk))
    }

    /// Takes note of what was received.
    fn note(&self, chunk: Option<&Chunk>) {
        let is_full = |chunk: &Chunk| chunk.spare_capacity() == 0 && chunk.len() > HEADER;
        self.has_more.set(chunk.is_some_and(is_full));
    }

    /// Waits until there is something to be decrypted, or the stream below has ended.
    pub(super) async fn wait(&self) -> Result<()> {
        let chunk = self.next().await?;
        self.ciphertext.set(chunk);
        Ok(())
    }

    /// Whether the rest of a large record is likely to be there, so that [`decrypt_nowait`](Self::decrypt_nowait) is worth it.
    pub(super) fn expects_more(&self) -> bool {
        self.has_more.get()
            && !self.has_ciphertext()
            && self.boundary.get().length().is_some_and(|length| length > SMALL)
    }

    /// Receives what is missing of a record without waiting, where rustls decrypts it, so that it is copied once less.
    /// `None` if nothing was there.
    ///
    /// # Errors
    /// Those of the stream below.
    pub(super) fn decrypt_nowait(
        &self,
        connection: &mut Connection,
    ) -> Result<Option<Result<(), rustls::Error>>> {
        let mut boundary = self.boundary.get();
        let mut stream = self.stream.borrow_mut();
        let mut missing =
            Missing { stream: &mut *stream, boundary: &mut boundary, has_more: false, failure: None };
        let received = connection.read_tls(&mut missing);
        self.has_more.set(missing.has_more);
        if let Some(failure) = missing.failure {
            return Err(failure);
        }
        // What else went wrong is found out by who waits.
        if !matches!(received, Ok(1..)) {
            return Ok(None);
        }
        self.boundary.set(boundary);
        Ok(Some(self.process(connection)))
    }
}

/// What is missing of a record, and the header of the next one.
struct Missing<'a, R> {
    stream: &'a mut R,
    boundary: &'a mut RecordBoundary,
    /// Whether as much was there as there was room for.
    has_more: bool,
    /// What the stream has said, maybe for the only time.
    failure: Option<Error>,
}

impl<R: ByteReceiveStream> Read for Missing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.boundary.missing() + HEADER);
        let mut left = &mut buffer[..room];
        let answer = self.stream.receive_nowait(&mut left);
        // What has come, whatever the stream says of it.
        let count = room - left.len();
        // At the end it is not told so: that may be an error, or not.
        let count = match answer {
            _ if count > 0 => count,
            Ok(_) | Err(Error::WouldBlock | Error::Unsupported(_) | Error::Cancelled(_)) => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Err(error) => {
                self.failure = Some(error);
                return Err(io::ErrorKind::WouldBlock.into());
            }
        };
        self.has_more = count == room;
        let of_record = self.boundary.pass(&buffer[..count]);
        self.boundary.pass_header(&buffer[of_record..count]);
        Ok(count)
    }
}

/// Nothing to read just now.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
