//! What the halves of a connection share.

use super::{attribute, record_boundary::RecordBoundary, spare_memory};
use crate::{
    error::{Error, Result, TlsError},
    lowlevel::{checkpoint, checkpoint_if_cancelled, is_cancelled},
    reserved::Reserved,
    scope::move_on_after,
    streams::{AttributeRequest, Attributes, ByteReceiveStream, Split, piece_sender::PieceSender},
};
use anyio_driver::Chunk;
use rustls::{Connection, ProtocolVersion};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, BufRead, IoSlice, Read, Write},
    task::Poll,
    time::Duration,
};

/// How many bytes are encrypted and sent at once: four full records.
const AT_ONCE: usize = 64 * 1024;

/// How long is waited until an alert is sent that says why this side refuses the connection.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);

const RECEIVING: &str = "receiving from this stream";
const SENDING: &str = "sending to this stream";

/// A TLS connection and the streams below it. The two directions are used by one task each, or both by the same.
pub(super) struct Session<S: Split> {
    /// Never borrowed across an await.
    connection: RefCell<Connection>,
    standard_compatible: bool,
    incoming: Incoming<S::Receive>,
    outgoing: Outgoing<S::Send>,
    /// Why the connection is of no use any more.
    failure: RefCell<Option<TlsError>>,
}

struct Incoming<R> {
    busy: Cell<bool>,
    /// Borrowed while something is received.
    stream: RefCell<R>,
    /// What was received and not decrypted.
    ciphertext: Cell<Option<Chunk>>,
    boundary: Cell<RecordBoundary>,
    /// Whether the peer has said that it sends no more.
    closed: Cell<bool>,
}

struct Outgoing<W> {
    busy: Cell<bool>,
    sender: RefCell<PieceSender<W>>,
    eof_sent: Cell<bool>,
    /// Whether records were lost, so that none can follow.
    torn: Cell<bool>,
}

impl<S: Split> Session<S> {
    pub(super) fn new(stream: S, mut connection: Connection, standard_compatible: bool) -> Self {
        // No more is given to it than is sent at once.
        connection.set_buffer_limit(None);
        let (receive, send) = stream.split();
        Self {
            connection: RefCell::new(connection),
            standard_compatible,
            incoming: Incoming {
                busy: Cell::new(false),
                stream: RefCell::new(receive),
                ciphertext: Cell::new(None),
                boundary: Cell::default(),
                closed: Cell::new(false),
            },
            outgoing: Outgoing {
                busy: Cell::new(false),
                sender: RefCell::new(PieceSender::new(send)),
                eof_sent: Cell::new(false),
                torn: Cell::new(false),
            },
            failure: RefCell::new(None),
        }
    }

    /// Lets a function look at the connection.
    pub(super) fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.connection.borrow())
    }

    pub(super) fn is_standard_compatible(&self) -> bool {
        self.standard_compatible
    }

    pub(super) fn peer_has_closed(&self) -> bool {
        self.incoming.closed.get()
    }

    /// Does the handshake, or goes on with it.
    pub(super) async fn handshake(&self) -> Result<()> {
        let _receiving = Reserved::of(&self.incoming.busy, RECEIVING)?;
        let _sending = Reserved::of(&self.outgoing.busy, SENDING)?;
        checkpoint_if_cancelled().await?;
        loop {
            self.check_failure()?;
            let (is_handshaking, leaves_tickets) = self.with_connection(|connection| {
                let is_server = matches!(connection, Connection::Server(_));
                let version = connection.protocol_version();
                (connection.is_handshaking(), is_server && version == Some(ProtocolVersion::TLSv1_3))
            });
            if !is_handshaking && leaves_tickets {
                // Nobody waits for the tickets, so they go out with what is sent first. A client that only sends, and closes
                // with tickets unread, would lose what is under way: the system takes that for a connection broken off.
                return Ok(());
            }
            if !self.has_ciphertext() {
                if let Err(error) = self.flush().await {
                    return Err(self.reason_of(error).await);
                }
            }
            if !is_handshaking {
                return Ok(());
            }
            if !self.advance().await? {
                let what = "the peer ended the connection in the midst of the TLS handshake";
                return Err(Error::BrokenResource(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
            }
        }
    }

    fn has_ciphertext(&self) -> bool {
        let ciphertext = self.incoming.ciphertext.take();
        let has = ciphertext.as_ref().is_some_and(|chunk| !chunk.is_empty());
        self.incoming.ciphertext.set(ciphertext);
        has
    }

    /// Why a peer has gone, if it has said so before; else the error with which this side found out.
    async fn reason_of(&self, error: Error) -> Error {
        if matches!(error, Error::BrokenResource(_)) {
            loop {
                match self.advance().await {
                    Ok(true) => {}
                    Err(reason @ (Error::Tls(_) | Error::Cancelled(_))) => return reason,
                    Ok(false) | Err(_) => break,
                }
            }
        }
        error
    }

    /// Receives decrypted bytes and lets a function take them. `None` at the end.
    pub(super) async fn receive<T>(&self, take: impl FnOnce(&mut dyn BufRead) -> T) -> Result<Option<T>> {
        let _receiving = Reserved::of(&self.incoming.busy, RECEIVING)?;
        // Also what is there already is received at a checkpoint.
        checkpoint_if_cancelled().await?;
        let mut is_first = true;
        loop {
            if !is_empty(&mut self.connection.borrow_mut()) {
                return Ok(Some(take(&mut self.connection.borrow_mut().reader())));
            }
            if self.incoming.closed.get() {
                return Ok(None);
            }
            self.check_failure()?;
            if std::mem::take(&mut is_first) && !self.outgoing.busy.get() {
                self.go_on_sending().await;
            }
            if !self.advance().await? {
                return self.judge_end().map(|()| None);
            }
        }
    }

    /// The stream below has ended without a word of the peer.
    fn judge_end(&self) -> Result<()> {
        if !self.standard_compatible {
            return Ok(());
        }
        let what = "the peer ended the connection without closing TLS, so bytes may be missing";
        Err(Error::BrokenResource(io::Error::new(io::ErrorKind::UnexpectedEof, what)))
    }

    fn check_failure(&self) -> Result<()> {
        match &*self.failure.borrow() {
            Some(failure) => Err(Error::Tls(Box::new(failure.clone()))),
            None => Ok(()),
        }
    }

    /// Decrypts the next record, or a part of it; receives if need be. False if the stream below has ended.
    #[expect(clippy::await_holding_refcell_ref, reason = "who receives has reserved this direction")]
    async fn advance(&self) -> Result<bool> {
        let received = self.incoming.ciphertext.take().filter(|chunk| !chunk.is_empty());
        let mut chunk = match received {
            Some(chunk) => chunk,
            None => match self.incoming.stream.borrow_mut().receive().await? {
                Some(chunk) => chunk,
                None => return Ok(false),
            },
        };
        let decrypted = self.decrypt(&mut chunk);
        if !chunk.is_empty() {
            self.incoming.ciphertext.set(Some(chunk));
        }
        match decrypted {
            Ok(()) => Ok(true),
            Err(cause) => Err(self.fail(cause).await),
        }
    }

    /// Decrypts up to the end of a record.
    fn decrypt(&self, chunk: &mut Chunk) -> Result<(), rustls::Error> {
        let mut boundary = self.incoming.boundary.get();
        let count = boundary.pass(chunk);
        self.incoming.boundary.set(boundary);
        let mut connection = self.connection.borrow_mut();
        let mut bytes = &chunk[..count];
        let mut refused = false;
        while !bytes.is_empty() && !refused {
            // It takes some kilobytes at a time, and refuses what no message is as long as.
            refused = !matches!(connection.read_tls(&mut bytes), Ok(1..));
        }
        let state = connection.process_new_packets();
        chunk.advance(count);
        self.incoming.closed.set(state?.peer_has_closed());
        if refused && !self.incoming.closed.get() {
            return Err(rustls::InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if boundary.ended().is_some_and(|length| length > SMALL) {
            // Its buffer has grown, and shrinks when it is about to read again: so this is no waste, and fails as it should.
            let _ = connection.read_tls(&mut Nothing);
        }
        Ok(())
    }

    /// Notes that the connection is of no use any more, and tells the peer why.
    async fn fail(&self, cause: rustls::Error) -> Error {
        let in_handshake = self.with_connection(|connection| connection.is_handshaking());
        let failure = TlsError::new(cause, in_handshake);
        *self.failure.borrow_mut() = Some(failure.clone());
        // If another task is sending, the alert goes out behind what it sends.
        let reserved = Reserved::of(&self.outgoing.busy, SENDING);
        if reserved.is_ok() || in_handshake {
            // What becomes of the alert changes nothing.
            let _ = move_on_after(ALERT_PATIENCE, async { self.flush().await }).await;
        }
        Error::Tls(Box::new(failure))
    }

    /// Sends some bytes of a buffer, as many as go out at once.
    pub(super) async fn send_first(&self, bytes: &[u8]) -> Result<usize> {
        self.send_some(|writer| writer.write(within_one_send(bytes))).await
    }

    /// Sends what a function writes, and tells how many bytes that were; they are sent, or will be by the next call.
    async fn send_some(&self, fill: impl FnOnce(&mut dyn Write) -> io::Result<usize>) -> Result<usize> {
        let _sending = self.reserve_sending()?;
        checkpoint_if_cancelled().await?;
        // What an earlier call has left.
        self.flush().await?;
        self.check_failure()?;
        let count = fill(&mut self.connection.borrow_mut().writer())?;
        match self.flush().await {
            Ok(()) | Err(Error::Cancelled(_)) => Ok(count),
            Err(error) => Err(error),
        }
    }

    /// Sends all bytes of several buffers, as if they were one.
    pub(super) async fn send_all<B: AsRef<[u8]>>(&self, buffers: &[B]) -> Result<()> {
        let (mut first, mut offset) = (0, 0);
        loop {
            let count = self
                .send_some(|writer| match &buffers[first..] {
                    [buffer] => writer.write(within_one_send(&buffer.as_ref()[offset..])),
                    buffers => writer.write_vectored(&slices(buffers, offset)),
                })
                .await?;
            offset += count;
            while let Some(buffer) = buffers.get(first) {
                if offset < buffer.as_ref().len() {
                    break;
                }
                offset -= buffer.as_ref().len();
                first += 1;
            }
            if first == buffers.len() {
                // If it was cancelled, not all may be on its way.
                if !self.is_flushed() {
                    checkpoint_if_cancelled().await?;
                }
                return Ok(());
            }
        }
    }

    fn is_flushed(&self) -> bool {
        self.outgoing.sender.borrow().is_idle() && !self.connection.borrow().wants_write()
    }

    fn reserve_sending(&self) -> Result<Reserved<'_>> {
        let reserved = Reserved::of(&self.outgoing.busy, SENDING)?;
        self.check_failure()?;
        if self.outgoing.eof_sent.get() { Err(Error::ClosedResource) } else { Ok(reserved) }
    }

    /// Tells the peer that nothing more will be sent.
    pub(super) async fn send_eof(&self) -> Result<()> {
        let _sending = Reserved::of(&self.outgoing.busy, SENDING)?;
        checkpoint_if_cancelled().await?;
        if !self.outgoing.eof_sent.get() {
            self.check_failure()?;
            self.connection.borrow_mut().send_close_notify();
            self.outgoing.eof_sent.set(true);
        }
        self.flush().await
    }

    /// Sends what there is to send. Only for who has reserved sending.
    async fn flush(&self) -> Result<()> {
        loop {
            if self.outgoing.torn.get() {
                let what = "an earlier send has failed";
                return Err(Error::BrokenResource(io::Error::other(what)));
            }
            if !self.fill_sender() {
                return Ok(());
            }
            let sent = poll_fn(|cx| self.outgoing.sender.borrow_mut().poll_sent(cx)).await;
            match sent {
                Ok(()) => {}
                // What was left in flight was cancelled for the scope that it was begun in.
                Err(Error::Cancelled(_)) if !is_cancelled() => checkpoint().await?,
                Err(Error::Cancelled(cancelled)) => return Err(cancelled.into()),
                Err(error) => {
                    self.outgoing.torn.set(true);
                    return Err(error);
                }
            }
        }
    }

    /// Goes on with what an earlier call has left, without waiting. Not while another task is sending.
    async fn go_on_sending(&self) {
        poll_fn(|cx| {
            let mut sender = self.outgoing.sender.borrow_mut();
            if !sender.is_idle() {
                // Who sends next is told; who receives gets what has come before.
                match sender.poll_sent(cx) {
                    Poll::Pending | Poll::Ready(Ok(_) | Err(Error::Cancelled(_))) => {}
                    Poll::Ready(Err(_)) => self.outgoing.torn.set(true),
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Gives what rustls has ready to the sender, if that has nothing left. False if there is nothing to send.
    fn fill_sender(&self) -> bool {
        let mut sender = self.outgoing.sender.borrow_mut();
        if !sender.is_idle() {
            return true;
        }
        let mut connection = self.connection.borrow_mut();
        let piece = sender.piece();
        if !connection.wants_write() {
            spare_memory::give_back(std::mem::take(piece));
            return false;
        }
        if piece.capacity() == 0 {
            *piece = spare_memory::take();
        }
        while connection.wants_write() {
            // Writing to a vector does not fail.
            let _ = connection.write_tls(piece);
        }
        true
    }

    /// The stream below, unless its halves do not fit, and what was received from it and does not belong to TLS.
    pub(super) fn into_inner(self) -> (Option<S>, Option<Chunk>) {
        let rest = self.incoming.ciphertext.take().filter(|chunk| !chunk.is_empty());
        let (receive, send) =
            (self.incoming.stream.into_inner(), self.outgoing.sender.into_inner().into_inner());
        (S::reunite(receive, send).ok(), rest)
    }
}

/// What makes the buffer of rustls for what comes in grow.
const SMALL: usize = 4096 - 5;

/// Nothing to read just now.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

fn is_empty(connection: &mut Connection) -> bool {
    !connection.reader().fill_buf().is_ok_and(|bytes| !bytes.is_empty())
}

fn within_one_send(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(AT_ONCE)]
}

/// What goes out at once of several buffers, of the first one from an offset on.
fn slices<B: AsRef<[u8]>>(buffers: &[B], offset: usize) -> Vec<IoSlice<'_>> {
    let mut room = AT_ONCE;
    let mut slices = Vec::new();
    for (index, buffer) in buffers.iter().enumerate() {
        let bytes = &buffer.as_ref()[if index == 0 { offset } else { 0 }..];
        let count = bytes.len().min(room);
        slices.push(IoSlice::new(&bytes[..count]));
        room -= count;
        if room == 0 {
            break;
        }
    }
    slices
}

/// Those of the connection, and then those of the stream below: of one of its halves on which nothing is in flight.
impl<S: Split> Attributes for Session<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        attribute::provide(&self.connection.borrow(), request);
        request.provide::<attribute::StandardCompatible>(|| self.standard_compatible);
        if let Ok(stream) = self.incoming.stream.try_borrow() {
            stream.provide(request);
        }
        if let Ok(sender) = self.outgoing.sender.try_borrow() {
            sender.provide(request);
        }
    }
}
