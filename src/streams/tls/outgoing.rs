//! What goes out to the stream below.

use super::{record_writer::RecordWriter, spare_memory};
use crate::{
    error::{Error, Result},
    lowlevel::{checkpoint, is_cancelled},
    runtime::Core,
    streams::{ByteSendStream, piece_sender::PieceSender},
};
use rustls::Connection;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, IoSlice},
    task::Poll,
};

/// How many bytes are encrypted and sent at once: four full records.
pub(super) const AT_ONCE: usize = 64 * 1024;

/// The sending direction of a connection. Used by one task at a time.
pub(super) struct Outgoing<W> {
    pub(super) busy: Cell<bool>,
    pub(super) sender: RefCell<PieceSender<W>>,
    pub(super) eof_sent: Cell<bool>,
    /// What kind of failure has lost records, so that none can follow.
    torn: Cell<Option<io::ErrorKind>>,
}

impl<W: ByteSendStream + 'static> Outgoing<W> {
    pub(super) fn new(stream: W) -> Self {
        Self {
            busy: Cell::new(false),
            sender: RefCell::new(PieceSender::new(stream)),
            eof_sent: Cell::new(false),
            torn: Cell::new(None),
        }
    }
}

impl<W: ByteSendStream> Outgoing<W> {
    pub(super) fn is_flushed(&self, connection: &Connection) -> bool {
        self.sender.borrow().is_idle() && !connection.wants_write()
    }

    /// Sends what there is to send. Only for who has reserved sending.
    pub(super) async fn flush(&self, connection: &RefCell<Connection>) -> Result<()> {
        loop {
            if let Some(kind) = self.torn.get() {
                let what = format!("an earlier send has failed ({kind})");
                return Err(Error::BrokenResource(io::Error::new(kind, what)));
            }
            if !self.write_out(connection)? {
                return Ok(());
            }
            let sent = poll_fn(|cx| {
                let mut sender = self.sender.borrow_mut();
                // Others have their turn also where there is always room.
                if sender.is_idle() {
                    Core::with(|core| core.poll_immediate(cx)).map(Ok)
                } else {
                    sender.poll_sent(cx)
                }
            })
            .await;
            match sent {
                Ok(()) => {}
                // What was left in flight was cancelled for the scope that it was begun in.
                Err(Error::Cancelled(_)) if !is_cancelled() => checkpoint().await?,
                Err(Error::Cancelled(cancelled)) => return Err(cancelled.into()),
                Err(error) => {
                    self.tear(&error);
                    return Err(error);
                }
            }
        }
    }

    /// Begins to send what there is to send, without waiting. Not while another task is sending. Who sends next is told of
    /// a failure.
    pub(super) async fn begin(&self, connection: &RefCell<Connection>) {
        if self.torn.get().is_none() && self.write_out(connection).is_ok_and(|has_written| has_written) {
            self.go_on().await;
        }
    }

    fn tear(&self, error: &Error) {
        self.torn.set(Some(error.kind()));
    }

    /// Goes on with what an earlier call has left, without waiting. Not while another task is sending.
    pub(super) async fn go_on(&self) {
        poll_fn(|cx| {
            let mut sender = self.sender.borrow_mut();
            if !sender.is_idle() {
                // Who sends next is told; who receives gets what has come before.
                match sender.poll_sent(cx) {
                    Poll::Pending | Poll::Ready(Ok(_) | Err(Error::Cancelled(_))) => {}
                    Poll::Ready(Err(error)) => self.tear(&error),
                }
            }
            Poll::Ready(())
        })
        .await;
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
