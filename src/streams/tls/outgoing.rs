//! What goes out to the stream below.

use super::{record_writer::RecordWriter, spare_memory};
use crate::{
    error::{Error, Result},
    lowlevel::is_cancelled,
    runtime::Core,
    streams::{ByteSendStream, piece_sender::PieceSender},
};
use rustls::Connection;
use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

/// How many bytes are encrypted and sent at once: four full records, and what goes before so much, such as the head of an answer.
pub(super) const AT_ONCE: usize = 68 * 1024;

/// Of so many buffers, at most.
pub(super) const BUFFERS: usize = 16;

/// The sending direction of a connection. Used by one task at a time.
pub(super) struct Outgoing<W> {
    pub(super) busy: Cell<bool>,
    pub(super) sender: RefCell<PieceSender<W>>,
    pub(super) eof_sent: Cell<bool>,
    /// Whether sending is reserved for what was taken over.
    pub(super) takes_over: Cell<bool>,
    /// What kind of failure has lost records, so that none can follow.
    torn: Cell<Option<io::ErrorKind>>,
}

impl<W: ByteSendStream + 'static> Outgoing<W> {
    pub(super) fn new(stream: W) -> Self {
        Self {
            busy: Cell::new(false),
            sender: RefCell::new(PieceSender::new(stream)),
            eof_sent: Cell::new(false),
            takes_over: Cell::new(false),
            torn: Cell::new(None),
        }
    }
}

impl<W: ByteSendStream> Outgoing<W> {
    pub(super) fn is_flushed(&self, connection: &Connection) -> bool {
        self.is_idle() && !connection.wants_write()
    }

    /// Whether nothing is left of an earlier call that is encrypted.
    pub(super) fn is_idle(&self) -> bool {
        self.sender.borrow().is_idle()
    }

    /// # Errors
    /// If records are lost, so that none can follow.
    pub(super) fn check_torn(&self) -> Result<()> {
        match self.torn.get() {
            Some(kind) => {
                let what = format!("an earlier send has failed ({kind})");
                Err(Error::BrokenResource(io::Error::new(kind, what)))
            }
            None => Ok(()),
        }
    }

    /// Sends what there is to send, in a way that says whether all of it is sent. Only for who has reserved sending.
    pub(super) fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        connection: &RefCell<Connection>,
        mut way: impl FnMut(&mut PieceSender<W>, &mut Context<'_>) -> Poll<Result<bool>>,
    ) -> Poll<Result<bool>> {
        loop {
            self.check_torn()?;
            if !self.write_out(connection)? {
                return Poll::Ready(Ok(true));
            }
            let mut sender = self.sender.borrow_mut();
            if sender.is_idle() {
                // Others have their turn also where there is always room.
                ready!(Core::with(|core| core.poll_immediate(cx)));
                continue;
            }
            match ready!(way(&mut sender, cx)) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Ok(false)),
                // What was left in flight was cancelled for the scope that it was begun in.
                Err(Error::Cancelled(_)) if !is_cancelled() => {
                    ready!(Core::with(|core| core.poll_immediate(cx)));
                }
                Err(Error::Cancelled(cancelled)) => return Poll::Ready(Err(cancelled.into())),
                Err(error) => {
                    self.tear(&error);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Begins to send what there is to send, without waiting. Not while another task is sending. Who sends next is told of
    /// a failure.
    pub(super) fn begin(&self, cx: &mut Context<'_>, connection: &RefCell<Connection>) {
        if self.torn.get().is_none() && self.write_out(connection).is_ok_and(|has_written| has_written) {
            self.go_on(cx);
        }
    }

    /// The same, by the stream below [taking it over](ByteSendStream::send_soon) where it does that.
    pub(super) fn begin_soon(&self, cx: &mut Context<'_>, connection: &RefCell<Connection>) {
        if self.write_out(connection).is_ok_and(|has_written| has_written) {
            self.note(|sender| sender.begin_soon(cx));
        }
    }

    fn tear(&self, error: &Error) {
        self.torn.set(Some(error.kind()));
    }

    /// Goes on with what an earlier call has left, without waiting. Not while another task is sending.
    pub(super) fn go_on(&self, cx: &mut Context<'_>) {
        self.note(|sender| match sender.is_idle() {
            true => Poll::Ready(Ok(true)),
            false => sender.poll_sent(cx),
        });
    }

    /// Takes note of what becomes of what is sent.
    fn note(&self, send: impl FnOnce(&mut PieceSender<W>) -> Poll<Result<bool>>) {
        // Who sends next is told; who receives gets what has come before.
        match send(&mut self.sender.borrow_mut()) {
            Poll::Pending | Poll::Ready(Ok(_) | Err(Error::Cancelled(_))) => {}
            Poll::Ready(Err(error)) => self.tear(&error),
        }
    }

    /// Sends what rustls has ready, or leaves it to the sender, if that has nothing left. False if there is nothing to send.
    fn write_out(&self, connection: &RefCell<Connection>) -> Result<bool> {
        let mut sender = self.sender.borrow_mut();
        if !sender.is_idle() {
            return Ok(true);
        }
        let mut connection = connection.borrow_mut();
        if !connection.wants_write() {
            spare_memory::give_back(std::mem::take(sender.piece()));
            return Ok(false);
        }
        let mut writer = RecordWriter::new(&mut sender);
        // A failure is told at the end.
        while connection.wants_write() && connection.write_tls(&mut writer).is_ok() {}
        writer.finish().inspect_err(|error| self.tear(error))?;
        Ok(true)
    }
}

impl<W> Outgoing<W> {
    pub(super) fn into_inner(self) -> W {
        self.sender.into_inner().into_inner()
    }
}

/// What goes out at once of a buffer.
pub(super) fn within_one_send(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(AT_ONCE)]
}

/// What goes out at once of several buffers, put into these places.
pub(super) fn first_within_one_send<'a, 'p>(
    buffers: &'a [IoSlice<'_>],
    places: &'p mut [IoSlice<'a>; BUFFERS],
) -> &'p [IoSlice<'a>] {
    let (mut used, mut room) = (0, AT_ONCE);
    for (buffer, place) in buffers.iter().zip(&mut *places) {
        let count = buffer.len().min(room);
        if count == 0 && !buffer.is_empty() {
            break;
        }
        *place = IoSlice::new(&buffer[..count]);
        room -= count;
        used += 1;
    }
    &places[..used]
}

/// What goes out at once of several buffers, of the first one from an offset on.
pub(super) fn slices<B: AsRef<[u8]>>(buffers: &[B], offset: usize) -> Vec<IoSlice<'_>> {
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
