//! A connected socket.

use super::{send_mode::Mode, soon::Soon};
use crate::{
    error::{Error, Result},
    receiving::{FromSocket, Receiving},
    reserved::Reserved,
    runtime::{Answer, Counted, Descriptor, Refusal, calls},
};
use anyio_driver::{Chunk, IoBufMut};
use socket2::SockRef;
use std::{
    cell::{Cell, OnceCell},
    io,
    os::fd::OwnedFd,
};

pub(super) const SENDING: &str = "sending to this stream";

/// A connected stream socket, of whatever family.
pub(super) struct Socket {
    receiving: Receiving<FromSocket>,
    descriptor: Descriptor,
    pub(super) sending: Cell<bool>,
    pub(super) eof_sent: Cell<bool>,
    /// What was taken over and not sent. As long as there is something, nothing else can be sent.
    pub(super) soon: Soon,
    /// How files are sent, once that has been asked for.
    pub(super) file_mode: OnceCell<Option<Mode>>,
    /// One of those that several cores share among them is counted.
    _counted: Option<Counted>,
}

impl Socket {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self {
            receiving: Receiving::new(descriptor.clone()),
            descriptor,
            sending: Cell::new(false),
            eof_sent: Cell::new(false),
            soon: Soon::default(),
            file_mode: OnceCell::new(),
            _counted: None,
        }
    }

    pub(super) fn counted(descriptor: Descriptor, counted: Counted) -> Self {
        Self { _counted: Some(counted), ..Self::new(descriptor) }
    }

    /// The socket, to ask and set its options.
    pub(super) fn options(&self) -> SockRef<'_> {
        calls::options_for_users(&self.descriptor)
    }

    pub(super) fn receiving(&self) -> &Receiving<FromSocket> {
        &self.receiving
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    #[inline]
    pub(super) fn receive(&self) -> impl Future<Output = Result<Option<Chunk>>> {
        self.receiving.receive()
    }

    pub(super) async fn receive_at_most(&self, max_bytes: usize) -> Result<Option<Chunk>> {
        self.receiving.receive_at_most(max_bytes).await
    }

    pub(super) async fn receive_into<B: IoBufMut>(&self, buffer: B) -> (Result<usize>, B) {
        self.receiving.receive_into(buffer).await
    }

    /// Reserves the socket for one send.
    ///
    /// # Errors
    /// [`Error::BusyResource`] if another is sending, [`Error::ClosedResource`] after the end was sent.
    #[inline]
    pub(super) fn reserve_sending(&self) -> Result<Reserved<'_>> {
        let reserved = Reserved::of(&self.sending, SENDING)?;
        self.check_all_sent()?;
        if self.eof_sent.get() { Err(Error::ClosedResource) } else { Ok(reserved) }
    }

    /// What the answer to a send means for this stream.
    #[inline]
    pub(super) fn judge_sent(&self, answer: Answer) -> Result<usize> {
        match answer {
            Ok(0) => Err(Error::BrokenResource(io::ErrorKind::WriteZero.into())),
            Ok(count) => Ok(count as usize),
            Err(refusal) => {
                let error = refusal.on_stream("send");
                if let (Refusal::System(number), Error::BrokenResource(_)) = (refusal, &error) {
                    self.receiving.note_lost(number);
                }
                Err(error)
            }
        }
    }

    pub(super) fn is_eof_sent(&self) -> bool {
        self.eof_sent.get()
    }

    pub(super) async fn close(self) -> Result<()> {
        let Self { receiving, descriptor, soon, .. } = self;
        drop(soon);
        receiving.stop().await;
        drop(receiving);
        Ok(descriptor.close_and_cancel().await?)
    }

    /// Gives the bare descriptor away, if nothing was received that its owner has not seen.
    #[expect(clippy::result_large_err, reason = "the error is the socket itself")]
    pub(super) fn into_owned(mut self) -> Result<OwnedFd, Self> {
        self.soon.let_go();
        // A send whose future was dropped may be in flight.
        if self.receiving.holds_bytes() || !self.descriptor.is_unused(2) {
            return Err(self);
        }
        let Self { receiving, descriptor, sending, eof_sent, soon, file_mode, _counted } = self;
        drop(receiving);
        let descriptor = descriptor.into_owned().map_err(|descriptor| Self {
            receiving: Receiving::new(descriptor.clone()),
            descriptor,
            sending,
            eof_sent,
            soon,
            file_mode,
            _counted,
        })?;
        // It fails only for what is no open descriptor.
        let _ = calls::set_blocking(&descriptor, true);
        Ok(descriptor)
    }
}
