//! What comes in from below, and its decryption.

use super::record_boundary::RecordBoundary;
use crate::{error::Result, streams::ByteReceiveStream};
use anyio_driver::Chunk;
use rustls::{Connection, InvalidMessage};
use std::{
    cell::{Cell, RefCell},
    io::{self, Read},
};

/// What makes the buffer of rustls for what comes in grow.
const SMALL: usize = 4096 - 5;

/// The receiving direction of a connection. Used by one task at a time.
pub(super) struct Incoming<R> {
    pub(super) busy: Cell<bool>,
    /// Borrowed while something is received.
    pub(super) stream: RefCell<R>,
    /// What was received and not decrypted.
    ciphertext: Cell<Option<Chunk>>,
    boundary: Cell<RecordBoundary>,
    /// How many bytes at the front of that rustls has already: of the record that follows the one it has decrypted.
    ahead: Cell<usize>,
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
        let mut boundary = self.boundary.get();
        let count = boundary.pass(&chunk);
        self.boundary.set(boundary);
        let is_large = boundary.ended().is_some_and(|length| length > SMALL);
        // Its buffer has grown, and would shrink and grow again with each record. With the first byte of the next one in it,
        // it stays as it is. If there turns out to be no next one, that byte is still in the chunk.
        let ahead = if is_large && !connection.is_handshaking() { 1.min(chunk.len() - count) } else { 0 };
        let mut bytes = &chunk[self.ahead.get()..count + ahead];
        let mut refused = false;
        while !bytes.is_empty() && !refused {
            // It takes some kilobytes at a time, and refuses what no message is as long as.
            refused = !matches!(connection.read_tls(&mut bytes), Ok(1..));
        }
        let state = connection.process_new_packets();
        chunk.advance(count);
        if !chunk.is_empty() {
            self.ciphertext.set(Some(chunk));
        }
        self.ahead.set(ahead);
        self.closed.set(state?.peer_has_closed());
        if refused && !self.closed.get() {
            return Err(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if is_large && ahead == 0 {
            // Its buffer shrinks when it is about to read again: so this is no waste, and fails as it should.
            let _ = connection.read_tls(&mut Nothing);
        }
        Ok(())
    }

    /// The stream, and what was received from it and does not belong to TLS.
    pub(super) fn into_inner(self) -> (R, Option<Chunk>) {
        (self.stream.into_inner(), self.ciphertext.take())
    }
}

impl<R: ByteReceiveStream> Incoming<R> {
    /// What is to be decrypted next: what was kept, or else what is received. `None` if the stream below has ended.
    #[expect(clippy::await_holding_refcell_ref, reason = "who receives has reserved this direction")]
    pub(super) async fn next(&self) -> Result<Option<Chunk>> {
        match self.ciphertext.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.stream.borrow_mut().receive().await,
        }
    }
}

/// Nothing to read just now.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
