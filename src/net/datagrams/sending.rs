//! Sending datagrams.
//!
//! What several tasks send at a time goes to the system together, in one turn of the driver. A task that sends alone would
//! wait a whole turn for each datagram in this way, while all that it has to do is done within the call, as hardly any
//! datagram waits for room. So it calls the system itself, and the driver gets what does wait.
//!
//! Sends never wait in the driver's hands: Linux's ring repeats one that has found no room with what is left of its data, and
//! a UNIX socket may have taken that all before it looked for room, so that an empty datagram comes. They wait for room here,
//! and are begun anew.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, a share of the descriptor, and in a box the
//! message with its address and ancillary data.

use super::{Header, network_error::is_of_the_network, room};
use crate::{
    error::Result,
    runtime::{Answer, Core, Descriptor, Operation, Payload, Refusal, TaskKey, WaitReason, calls},
};
use anyio_driver::{Held, IoBuf, Op};
use libc::msghdr;
use socket2::SockAddr;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    ops::Range,
    os::fd::OwnedFd,
    task::Poll,
};

/// The side of a socket that takes datagrams. Several can be sent at the same time: none is ever sent in part.
pub(in crate::net) struct Sender {
    descriptor: Descriptor,
    /// Headers that are not in use.
    #[expect(clippy::vec_box, reason = "a header stays where it is, as it points to itself")]
    headers: RefCell<Vec<Box<Header>>>,
    /// Whether what the network says is of this socket's only peer.
    is_connected: bool,
    /// How many sends the driver has.
    in_flight: Cell<usize>,
    /// Who sent last.
    task: Cell<Option<TaskKey>>,
}

/// How many headers are kept for reuse.
const KEPT: usize = 256;

/// How often a datagram of a socket without a peer is sent again in place of which the system has told what the network said
/// of another.
const REPEATS: u32 = 3;

impl Sender {
    pub(in crate::net) fn new(descriptor: Descriptor, is_connected: bool) -> Self {
        Self {
            descriptor,
            headers: RefCell::default(),
            is_connected,
            in_flight: Cell::new(0),
            task: Cell::new(None),
        }
    }

    pub(in crate::net) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Sends a part of a buffer as one message, with what `fill` puts into the header.
    #[inline]
    pub(in crate::net) async fn send_part<B: IoBuf>(
        &self,
        mut data: Held<B>,
        part: Range<usize>,
        fill: impl FnOnce(&mut Header),
    ) -> (Answer, Held<B>) {
        let mut header = self.headers.borrow_mut().pop().unwrap_or_else(|| Box::new(Header::new()));
        fill(&mut header);
        let mut answer;
        match self.try_at_once(&mut header, &data.get().bytes()[part.clone()]).await {
            Some(at_once) => answer = at_once,
            None => (answer, data, header) = self.send_by_driver(data, part.clone(), header).await,
        }
        if !self.is_connected && concerns_another(answer) {
            (answer, data, header) = self.send_again(data, part, header).await;
        }
        header.control.clear();
        header.descriptors.clear();
        let mut headers = self.headers.borrow_mut();
        if headers.len() < KEPT {
            headers.push(header);
        }
        (answer, data)
    }

    async fn send_by_driver<B: IoBuf>(
        &self,
        mut data: Held<B>,
        part: Range<usize>,
        mut header: Box<Header>,
    ) -> (Answer, Held<B>, Box<Header>) {
        let _counted = Counted::new(&self.in_flight);
        loop {
            let send = SendMessage { descriptor: self.descriptor.clone(), data, part: part.clone(), header };
            let answer;
            (answer, data, header) = Operation::new(send).await;
            if !has_found_no_room(answer) {
                return (answer, data, header);
            }
            if let Err(refusal) = room::wait(&self.descriptor, &header.to).await {
                return (Err(refusal), data, header);
            }
        }
    }

    /// Sends what was not sent because of what the network has said of another.
    #[cold]
    async fn send_again<B: IoBuf>(
        &self,
        mut data: Held<B>,
        part: Range<usize>,
        mut header: Box<Header>,
    ) -> (Answer, Held<B>, Box<Header>) {
        let mut repeats = REPEATS;
        loop {
            let answer;
            (answer, data, header) = self.send_by_driver(data, part.clone(), header).await;
            repeats -= 1;
            if repeats == 0 || !concerns_another(answer) {
                return (answer, data, header);
            }
        }
    }

    /// Sends by a call of its own what the driver need not be asked for. Nothing if it is for the driver.
    #[inline]
    async fn try_at_once(&self, header: &mut Header, bytes: &[u8]) -> Option<Answer> {
        poll_fn(|cx| {
            Core::with(|core| {
                let is_same = self.task.replace(core.task()) == core.task();
                let is_alone = is_same && self.in_flight.get() == 0;
                if !is_alone || core.capabilities().attempts_sends || core.scope_is_effective() {
                    return Poll::Ready(None);
                }
                core.poll_immediate(cx).map(|()| self.send_at_once(core, header, bytes))
            })
        })
        .await
    }

    /// Sends without waiting. Nothing if it would have to wait, or was interrupted.
    #[inline]
    fn send_at_once(&self, core: &Core, header: &mut Header, bytes: &[u8]) -> Option<Answer> {
        let message = header.message(bytes);
        // SAFETY: the message and all it points to are borrowed, and are not changed during the call.
        match unsafe { calls::send_message(core, self.descriptor.raw(), message, NO_SIGNAL) } {
            Ok(count) => Some(Ok(count)),
            // The numbers are the same on Linux only.
            #[allow(unreachable_patterns)]
            Err(libc::EAGAIN | libc::EWOULDBLOCK | libc::EINTR) => None,
            Err(number) => Some(Err(Refusal::System(number))),
        }
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
            header.to.set(to);
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

/// Whether nothing was sent because of what the network has said of a datagram that was sent before, to whomever.
#[inline]
fn concerns_another(answer: Answer) -> bool {
    matches!(answer, Err(Refusal::System(number)) if is_of_the_network(number))
}

/// Whether nothing was sent because there is no room.
#[inline]
fn has_found_no_room(answer: Answer) -> bool {
    matches!(answer, Err(Refusal::System(number)) if number == libc::EAGAIN || number == libc::EWOULDBLOCK)
}

/// What the answer to a send means.
#[inline]
pub(in crate::net) fn judge(answer: Answer) -> Result<()> {
    answer.map(drop).map_err(|refusal| refusal.on_stream("send"))
}

/// Counts a send that the driver has, also one whose future is dropped.
struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    #[inline]
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Sends one message.
struct SendMessage<B> {
    descriptor: Descriptor,
    data: Held<B>,
    part: Range<usize>,
    header: Box<Header>,
}

impl<B: IoBuf> SendMessage<B> {
    #[inline]
    fn message(&mut self) -> *const msghdr {
        self.header.message(&self.data.get().bytes()[self.part.clone()])
    }
}

#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
/// Datagrams raise none here.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: libc::c_int = 0;

// SAFETY: the descriptor is counted, a held buffer stays where it is, and everything else is in a box.
unsafe impl<B: IoBuf> Payload for SendMessage<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, Held<B>, Box<Header>);

    #[inline]
    fn op(&mut self) -> Op {
        let message = self.message();
        Op::SendMessage { fd: self.descriptor.raw(), message, flags: libc::MSG_DONTWAIT }
    }

    #[inline]
    fn finish(self, answer: Answer) -> Self::Output {
        (answer, self.data, self.header)
    }
}
