//! What the halves of a connection share.

mod polling;

use super::{
    attribute,
    incoming::Incoming,
    key_use::KeyUse,
    options::TlsOptions,
    outgoing::{AT_ONCE, Outgoing, slices, within_one_send},
};
use crate::{
    error::{Error, Result, TlsError},
    lowlevel::{checkpoint_if_cancelled, take_chunk},
    reserved::Reserved,
    runtime::Core,
    scope::{fail_after, move_on_after},
    streams::{AttributeRequest, Attributes, Split, piece_sender::PieceSender},
};
use anyio_driver::Chunk;
use rustls::{Connection, ProtocolVersion};
use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, BufRead, Write},
    task::{Context, Poll},
    time::Duration,
};

/// How long is waited until an alert is sent that says why this side refuses the connection.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);

/// How long closing waits for the link to take the last word.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

const RECEIVING: &str = "receiving from this stream";
const SENDING: &str = "sending to this stream";

/// A TLS connection and the streams below it. The two directions are used by one task each, or both by the same.
pub(super) struct Session<S: Split> {
    /// Never borrowed across an await.
    connection: RefCell<Connection>,
    standard_compatible: bool,
    /// How long closing waits for the peer to answer.
    answer_limit: Duration,
    incoming: Incoming<S::Receive>,
    outgoing: Outgoing<S::Send>,
    key_use: KeyUse,
    /// Why the connection is of no use any more.
    failure: RefCell<Option<TlsError>>,
}

impl<S: Split> Session<S> {
    /// A connection that is to be made on a stream.
    ///
    /// # Errors
    /// If the configuration cannot be. The stream is dropped.
    pub(super) fn new(stream: S, options: &TlsOptions) -> Result<Self> {
        let mut connection = options.connection()?;
        // No more is given to it than is sent at once.
        connection.set_buffer_limit(None);
        let (receive, send) = stream.split();
        Ok(Self {
            connection: RefCell::new(connection),
            standard_compatible: options.is_standard_compatible(),
            answer_limit: options.longest_wait_for_answer(),
            incoming: Incoming::new(receive),
            outgoing: Outgoing::new(send),
            key_use: KeyUse::new(options.record_length()),
            failure: RefCell::new(None),
        })
    }

    /// Lets a function look at the connection.
    pub(super) fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.connection.borrow())
    }

    pub(super) fn is_standard_compatible(&self) -> bool {
        self.standard_compatible
    }

    pub(super) fn peer_has_closed(&self) -> bool {
        self.incoming.is_closed()
    }

    /// Waits until the peer has said something, or has ended the stream below. That is looked at later.
    pub(super) async fn first_word(&self) -> Result<()> {
        let _receiving = Reserved::of(&self.incoming.busy, RECEIVING)?;
        self.incoming.wait().await
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
            // What has come already is looked at first, unless the other side waits for this side's last word.
            if !is_handshaking || !self.incoming.has_ciphertext() {
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

    /// Why a peer has gone, if it has said so before; else the error with which this side found out.
    async fn reason_of(&self, error: Error) -> Error {
        if matches!(error, Error::BrokenResource(_)) {
            // A peer that has sent data has not refused this side.
            while is_empty(&mut self.connection.borrow_mut()) {
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
            match self.has_bytes()? {
                Some(true) => return Ok(Some(take(&mut self.connection.borrow_mut().reader()))),
                Some(false) => return Ok(None),
                None => {}
            }
            if std::mem::take(&mut is_first) && !self.outgoing.busy.get() {
                now(|cx| self.outgoing.go_on(cx)).await;
            }
            let had_output = self.with_connection(|connection| connection.wants_write());
            if !self.advance().await? {
                return self.judge_end().map(|()| None);
            }
            if self.has_answer(had_output) {
                now(|cx| self.outgoing.begin(cx, &self.connection)).await;
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
    async fn advance(&self) -> Result<bool> {
        let mut decrypted = None;
        if self.may_decrypt_nowait() {
            // Others have their turn also where there is always more.
            poll_fn(|cx| Core::with(|core| core.poll_immediate(cx))).await;
            decrypted = self.incoming.decrypt_nowait(&mut self.connection.borrow_mut())?;
        }
        let decrypted = match decrypted {
            Some(decrypted) => decrypted,
            None => {
                let Some(chunk) = self.incoming.next().await? else { return Ok(false) };
                self.incoming.decrypt(&mut self.connection.borrow_mut(), chunk)
            }
        };
        match decrypted {
            Ok(()) => Ok(true),
            Err(cause) => Err(self.fail(cause).await),
        }
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
        let count = {
            let mut connection = self.connection.borrow_mut();
            self.key_use.check(&connection, AT_ONCE)?;
            fill(&mut connection.writer())?
        };
        self.key_use.note(count);
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
                if !self.outgoing.is_flushed(&self.connection.borrow()) {
                    checkpoint_if_cancelled().await?;
                }
                return Ok(());
            }
        }
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

    /// The closing handshake: tells the peer that nothing more will be sent, and waits for its word that it has heard, or
    /// the end of the stream below. What it has still sent is dropped. An error says that it could not be told.
    pub(super) async fn close(&self) -> Result<()> {
        self.leave_taken_over();
        fail_after(CLOSE_PATIENCE, self.send_eof()).await?;
        let answer = async {
            let drop_all = |bytes: &mut dyn BufRead| {
                while let Some(count @ 1..) = bytes.fill_buf().ok().map(<[u8]>::len) {
                    bytes.consume(count);
                }
            };
            while self.receive(drop_all).await?.is_some() {}
            Ok(())
        };
        match move_on_after(self.answer_limit, answer).await {
            Err(Error::Cancelled(cancelled)) => Err(cancelled.into()),
            // This side's bytes are with the peer, or on their way; nobody waits for those of the peer.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn flush(&self) -> Result<()> {
        poll_fn(|cx| self.outgoing.poll_flush(cx, &self.connection, PieceSender::poll_sent)).await.map(drop)
    }

    /// The stream below, unless its halves do not fit, and what was received from it and does not belong to TLS.
    pub(super) fn into_inner(self) -> (Option<S>, Option<Chunk>) {
        let (receive, rest) = self.incoming.into_inner();
        (S::reunite(receive, self.outgoing.into_inner()).ok(), rest)
    }
}

/// Does something with what a task is woken by.
async fn now(mut act: impl FnMut(&mut Context<'_>)) {
    poll_fn(|cx| {
        act(cx);
        Poll::Ready(())
    })
    .await;
}

/// Takes decrypted bytes, of which there are some, as far as they have room in a buffer.
pub(super) fn take_bytes(reader: &mut dyn BufRead, max_bytes: usize) -> Chunk {
    let mut chunk = take_chunk();
    loop {
        let room = chunk.spare_capacity().min(max_bytes - chunk.len());
        // What comes after the last byte is for the next call to tell.
        let bytes = reader.fill_buf().unwrap_or_default();
        let count = bytes.len().min(room);
        if count == 0 {
            return chunk;
        }
        let _ = chunk.extend_from_slice(&bytes[..count]);
        reader.consume(count);
    }
}

fn is_empty(connection: &mut Connection) -> bool {
    !connection.reader().fill_buf().is_ok_and(|bytes| !bytes.is_empty())
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
