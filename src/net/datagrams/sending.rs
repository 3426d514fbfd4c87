//! Sending datagrams.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, a share of the descriptor, and in a box the
//! message with its address and ancillary data.

use super::Header;
use crate::{
    error::Result,
    runtime::{Answer, Descriptor, Operation, Payload, WaitReason},
};
use anyio_driver::{Held, IoBuf, Op};
use socket2::SockAddr;
use std::{cell::RefCell, ops::Range, os::fd::OwnedFd};

/// The side of a socket that takes datagrams. Several can be sent at the same time: none is ever sent in part.
pub(in crate::net) struct Sender {
    descriptor: Descriptor,
    /// Headers that are not in use.
    #[expect(clippy::vec_box, reason = "a header stays where it is, as it points to itself")]
    headers: RefCell<Vec<Box<Header>>>,
}

/// How many headers are kept for reuse.
const KEPT: usize = 256;

impl Sender {
    pub(in crate::net) fn new(descriptor: Descriptor) -> Self {
        Self { descriptor, headers: RefCell::default() }
    }

    pub(in crate::net) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Sends a part of a buffer as one message, with what `fill` puts into the header.
    #[inline]
    pub(in crate::net) async fn send_part<B: IoBuf>(
        &self,
        data: Held<B>,
        part: Range<usize>,
        fill: impl FnOnce(&mut Header),
    ) -> (Answer, Held<B>) {
        let mut header = self.headers.borrow_mut().pop().unwrap_or_else(|| Box::new(Header::new()));
        fill(&mut header);
        let descriptor = self.descriptor.clone();
        let (answer, data, mut header) = Operation::new(SendMessage { descriptor, data, part, header }).await;
        header.control.clear();
        header.descriptors.clear();
        let mut headers = self.headers.borrow_mut();
        if headers.len() < KEPT {
            headers.push(header);
        }
        (answer, data)
    }

    /// Sends a part of a buffer with descriptors, which are closed afterwards.
    pub(in crate::net) async fn send_owning<B: IoBuf>(
        &self,
        data: Held<B>,
        part: Range<usize>,
        descriptors: Vec<OwnedFd>,
    ) -> (Answer, Held<B>) {
        self.send_owning_to(data, part, descriptors, None).await
    }

    /// The same to an address.
    pub(in crate::net) async fn send_owning_to<B: IoBuf>(
        &self,
        data: Held<B>,
        part: Range<usize>,
        descriptors: Vec<OwnedFd>,
        to: Option<SockAddr>,
    ) -> (Answer, Held<B>) {
        self.send_part(data, part, |header| {
            header.address = to;
            header.control.push_descriptors(&descriptors);
            header.descriptors = descriptors;
        })
        .await
    }

    /// Sends a whole buffer as one message.
    #[inline]
    pub(in crate::net) async fn send<B: IoBuf>(
        &self,
        data: B,
        fill: impl FnOnce(&mut Header),
    ) -> (Result<()>, B) {
        let data = Held::new(data);
        let part = 0..data.get().length();
        let (answer, data) = self.send_part(data, part, fill).await;
        (judge(answer), data.into_inner())
    }
}

/// What the answer to a send means.
#[inline]
pub(in crate::net) fn judge(answer: Answer) -> Result<()> {
    answer.map(drop).map_err(|refusal| refusal.on_stream("send"))
}

/// Sends one message.
struct SendMessage<B> {
    descriptor: Descriptor,
    data: Held<B>,
    part: Range<usize>,
    header: Box<Header>,
}

// SAFETY: the descriptor is counted, a held buffer stays where it is, and everything else is in a box.
unsafe impl<B: IoBuf> Payload for SendMessage<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, Held<B>, Box<Header>);

    #[inline]
    fn op(&mut self) -> Op {
        let message = self.header.message(&self.data.get().bytes()[self.part.clone()]);
        Op::SendMessage { fd: self.descriptor.raw(), message, flags: 0 }
    }

    #[inline]
    fn finish(self, answer: Answer) -> Self::Output {
        (answer, self.data, self.header)
    }
}
