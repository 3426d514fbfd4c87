//! Passing descriptors over UNIX streams.
//!
//! # Contract
//! A payload here owns a share of the stream's descriptor and, in a box, a message with all it points to: the bytes, the
//! ancillary data, and copies of the descriptors that are sent, so that their numbers mean the same when the message goes.

use super::{datagrams::Sender, socket::Socket};
use crate::{
    ancillary,
    error::{Error, Result},
    message::MOST_DESCRIPTORS,
    receiving::MOST,
    runtime::{Answer, Core, Descriptor, Operation, Payload, WaitReason, calls},
};
use anyio_driver::{Chunk, Driver, Held, IoBuf, IoBufMut, Op};
use libc::{iovec, msghdr};
use std::{
    io, mem,
    os::fd::{AsFd, OwnedFd},
    ptr,
};

/// Descriptors that came with bytes. They are closed with this unless they are taken out, and are closed on exec.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ReceivedDescriptors {
    /// They, in the order in which they were sent.
    pub owned: Vec<OwnedFd>,
    /// Whether there were more, which could not be had: more than was asked for, or more than this process may have open.
    /// They are closed.
    pub truncated: bool,
}

impl IntoIterator for ReceivedDescriptors {
    type Item = OwnedFd;
    type IntoIter = std::vec::IntoIter<OwnedFd>;

    fn into_iter(self) -> Self::IntoIter {
        self.owned.into_iter()
    }
}

/// Copies of descriptors, which are the message's own until it is sent.
///
/// # Errors
/// If there are none or too many, or the process has no descriptors left.
pub(super) fn copies(descriptors: &[impl AsFd]) -> Result<Vec<OwnedFd>> {
    let refuse = |text| Err(Error::Io(io::Error::new(io::ErrorKind::InvalidInput, text)));
    match descriptors.len() {
        0 => refuse("there are no descriptors to send"),
        count if count > MOST_DESCRIPTORS => refuse("a message carries at most 253 descriptors"),
        _ => descriptors
            .iter()
            .map(calls::duplicate)
            .collect::<io::Result<_>>()
            .map_err(|error| Error::of_operation(error, "copy", "a descriptor to be sent")),
    }
}

impl Socket {
    /// Sends bytes, at least one, with descriptors.
    pub(super) async fn send_fds(&self, data: impl IoBuf, descriptors: &[impl AsFd]) -> Result<()> {
        let reserved = self.reserve_sending()?;
        if data.length() == 0 {
            let text = "descriptors need at least one byte to go with";
            return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
        let copies = copies(descriptors)?;
        let sender = Sender::new(self.descriptor().clone(), true);
        let data = Held::new(data);
        let part = 0..data.get().length().min(MOST);
        let mut sending = sender.begin_owning(data, part, copies, None);
        let answer = sending.answer().await;
        let data = sending.into_data();
        drop(reserved);
        let sent = self.judge_sent(answer)?;
        // The descriptors have gone with the first bytes.
        match data.into_inner() {
            rest if rest.length() > sent => self.send(rest.slice(sent..)).await,
            _ => Ok(()),
        }
    }

    /// Receives at least one and at most so many bytes, and descriptors that came with them.
    pub(super) async fn receive_fds(
        &self,
        max_bytes: usize,
        max_descriptors: usize,
    ) -> Result<Option<(Chunk, ReceivedDescriptors)>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes would look like the end of the stream");
        assert!(
            (1..=MOST_DESCRIPTORS).contains(&max_descriptors),
            "a message carries between 1 and {MOST_DESCRIPTORS} descriptors"
        );
        // What a receive in flight brings comes first, and it leaves no room for descriptors.
        self.receiving().pause().await?;
        if self.receiving().has_begun() {
            let chunk = self.receive_at_most(max_bytes).await?;
            return Ok(chunk.map(|chunk| (chunk, ReceivedDescriptors::default())));
        }
        let _reserved = self.receiving().reserve()?;
        let chunk = Core::with(|core| core.driver().pool().take());
        let message = Message::new(chunk, max_bytes, max_descriptors);
        let descriptor = self.descriptor().clone();
        let (answer, mut message) = Operation::new(ReceiveMessage { descriptor, message }).await;
        match self.receiving().judge(answer)? {
            0 => Ok(None),
            count => {
                let truncated = message.message.msg_flags & libc::MSG_CTRUNC != 0;
                let owned = message.take_descriptors();
                let mut chunk = message.chunk.take().expect("the chunk is there until it is taken");
                // SAFETY: the kernel has filled so many bytes of it.
                unsafe { chunk.set_filled(count) };
                Ok(Some((chunk, ReceivedDescriptors { owned, truncated })))
            }
        }
    }
}

/// A message to be received, with a buffer and room for descriptors. Those that have come are its own.
struct Message {
    message: msghdr,
    piece: iovec,
    control: Vec<u64>,
    chunk: Option<Chunk>,
}

impl Message {
    fn new(mut chunk: Chunk, max_bytes: usize, max_descriptors: usize) -> Box<Self> {
        let space = ancillary::rights_space(max_descriptors);
        let room = chunk.capacity().min(max_bytes);
        let mut boxed = Box::new(Self {
            // SAFETY: all zeroes is a message without anything.
            message: unsafe { mem::zeroed() },
            piece: iovec { iov_base: chunk.pointer_mut().cast(), iov_len: room },
            // Zeroes, so that what was not received is not taken for descriptors.
            control: vec![0; space.div_ceil(size_of::<u64>())],
            chunk: Some(chunk),
        });
        boxed.message.msg_iov = &raw mut boxed.piece;
        boxed.message.msg_iovlen = 1;
        boxed.message.msg_control = boxed.control.as_mut_ptr().cast();
        // Not the whole space: into what it is rounded up to, one more would fit.
        boxed.message.msg_controllen = ancillary::rights_length(max_descriptors) as _;
        boxed
    }

    #[allow(clippy::unnecessary_cast, reason = "the types of lengths differ between systems")]
    fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        let length = (self.message.msg_controllen as usize).min(self.control.len() * size_of::<u64>());
        // SAFETY: so much was allocated and zeroed. The kernel has put ancillary data there, or nothing; only this value
        // takes descriptors, and once, as it is cleared then.
        unsafe {
            let control = ptr::slice_from_raw_parts_mut(self.control.as_mut_ptr().cast::<u8>(), length);
            ancillary::take_descriptors(&mut *control)
        }
    }
}

impl Drop for Message {
    /// It is dropped only when no operation has it any more.
    fn drop(&mut self) {
        drop(self.take_descriptors());
    }
}

/// Receives one message.
struct ReceiveMessage {
    descriptor: Descriptor,
    message: Box<Message>,
}

// SAFETY: the descriptor is counted, and everything else is in a box.
unsafe impl Payload for ReceiveMessage {
    const REASON: WaitReason = WaitReason::Receive;

    type Output = (Answer, Box<Message>);

    fn op(&mut self) -> Op {
        Op::ReceiveMessage { fd: self.descriptor.raw(), message: &raw mut self.message.message, flags: 0 }
    }

    fn finish(self, answer: Answer) -> Self::Output {
        (answer, self.message)
    }
}
