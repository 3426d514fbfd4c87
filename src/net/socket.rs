//! A connected socket.

use super::{
    receiving::{Receiving, Reserved},
    sending::{self, Shutdown},
};
use crate::{
    error::{Error, Result},
    runtime::{Descriptor, Operation},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use socket2::SockRef;
use std::{cell::Cell, os::fd::OwnedFd};

/// A connected stream socket, of whatever family.
pub(super) struct Socket {
    receiving: Receiving,
    descriptor: Descriptor,
    sending: Cell<bool>,
    eof_sent: Cell<bool>,
}

impl Socket {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self {
            receiving: Receiving::new(descriptor.clone()),
            descriptor,
            sending: Cell::new(false),
            eof_sent: Cell::new(false),
        }
    }

    /// The socket, to ask and set its options.
    pub(super) fn options(&self) -> SockRef<'_> {
        SockRef::from(&self.descriptor)
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
        if self.receiving.has_begun() {
            return self.receiving.receive_copied(buffer).await;
        }
        match self.receiving.reserve() {
            Ok(_reserved) => sending::receive_into(&self.descriptor, buffer).await,
            Err(error) => (Err(error), buffer),
        }
    }

    #[inline]
    pub(super) async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        let _reserved = match Reserved::of(&self.sending, "sending to this stream") {
            Ok(reserved) => reserved,
            Err(error) => return (Err(error), data),
        };
        if self.eof_sent.get() {
            return (Err(Error::ClosedResource), data);
        }
        let (result, _, data) = sending::send_all(&self.descriptor, data).await;
        (result, data)
    }

    pub(super) async fn send_eof(&self) -> Result<()> {
        let _reserved = Reserved::of(&self.sending, "sending to this stream")?;
        if !self.eof_sent.get() {
            let descriptor = self.descriptor.clone();
            Operation::new(Shutdown { descriptor, how: libc::SHUT_WR }).await?;
            self.eof_sent.set(true);
        }
        Ok(())
    }

    pub(super) fn is_eof_sent(&self) -> bool {
        self.eof_sent.get()
    }

    pub(super) async fn close(self) -> Result<()> {
        let Self { receiving, descriptor, .. } = self;
        receiving.stop().await;
        drop(receiving);
        Ok(descriptor.close().await?)
    }

    /// Gives the bare descriptor away, if nothing was received that its owner has not seen.
    pub(super) fn into_owned(self) -> Result<OwnedFd, Self> {
        if self.receiving.has_begun() {
            return Err(self);
        }
        let Self { receiving, descriptor, sending, eof_sent } = self;
        drop(receiving);
        descriptor.into_owned().map_err(|descriptor| Self {
            receiving: Receiving::new(descriptor.clone()),
            descriptor,
            sending,
            eof_sent,
        })
    }
}
