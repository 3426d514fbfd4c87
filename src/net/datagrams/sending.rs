//! Sending datagrams.
//!
//! What several tasks send at a time goes to the system together, in one call of the driver's turn. A task that sends alone
//! would wait a whole turn for each datagram in this way, while all that it has to do is done within the call, as hardly any
//! datagram waits for room. So it calls the system itself.
//!
//! Sends never wait in the driver's hands: Linux's ring repeats one that has found no room with what is left of its data, and
//! a UNIX socket may have taken that all before it looked for room, so that an empty datagram comes. They wait for room here,
//! and are begun anew.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, a share of the descriptor, and in a box the
//! message with its address and ancillary data.

use super::{
    Header,
    network_error::{error_of, is_of_the_network},
    room,
};
use crate::{
    error::Result,
    runtime::{Answer, Core, Descriptor, Operation, Payload, Refusal, TaskKey, WaitReason, calls},
};
use anyio_driver::{Held, IoBuf, Op};
use socket2::SockAddr;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    ops::Range,
    os::fd::OwnedFd,
    task::{Context, Poll},
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
pub(super) const REPEATS: u32 = 3;

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

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// One message of a part of a buffer, with what `fill` puts into the header. It is sent when it is
    /// [awaited](Sending::answer).
    #[inline]
    pub(in crate::net) fn begin<B: IoBuf>(
        &self,
        data: Held<B>,
        part: Range<usize>,
        fill: impl FnOnce(&mut Header),
    ) -> Sending<'_, B> {
        let mut header = self.headers.borrow_mut().pop().unwrap_or_else(|| Box::new(Header::new()));
        fill(&mut header);
        header.set_bytes(&data.get().bytes()[part]);
        let send = SendMessage { descriptor: self.descriptor.clone(), data, header };
        Sending { sender: self, operation: Operation::new(send), is_with_driver: false }
    }

    /// One message of a whole buffer.
    #[inline]
    pub(in crate::net) fn begin_whole<B: IoBuf>(
        &self,
        data: B,
        fill: impl FnOnce(&mut Header),
    ) -> Sending<'_, B> {
        let data = Held::new(data);
        let part = 0..data.get().length();
        self.begin(data, part, fill)
    }

    /// A part of a buffer with descriptors, which are closed afterwards.
    pub(in crate::net) fn begin_owning<B: IoBuf>(
        &self,
        data: Held<B>,
        part: Range<usize>,
        descriptors: Vec<OwnedFd>,
        to: Option<SockAddr>,
    ) -> Sending<'_, B> {
        self.begin(data, part, |header| {
            header.to.set(to);
            header.control.push_descriptors(&descriptors);
            header.descriptors = descriptors;
        })
    }

    /// Whether nobody else sends, and this task has sent before.
    #[inline]
    fn is_alone(&self, core: &Core) -> bool {
        let task = core.task();
        self.task.replace(task) == task && self.in_flight.get() == 0
    }

    #[inline]
    fn keep(&self, mut header: Box<Header>) {
        header.control.clear();
        header.descriptors.clear();
        let mut headers = self.headers.borrow_mut();
        if headers.len() < KEPT {
            headers.push(header);
        }
    }
}

/// One message that is being sent. It stays where it is while it is awaited, as what moves with each datagram costs more than
/// what is done for it.
pub(in crate::net) struct Sending<'a, B: IoBuf> {
    sender: &'a Sender,
    operation: Operation<SendMessage<B>>,
    /// Whether it is counted among those that the driver has.
    is_with_driver: bool,
}

impl<B: IoBuf> Sending<'_, B> {
    /// Sends it.
    #[inline]
    pub(in crate::net) async fn answer(&mut self) -> Answer {
        let answer = poll_fn(|cx| self.poll_first(cx)).await;
        if self.is_to_be_repeated(answer) { self.repeat(answer).await } else { answer }
    }

    /// The buffer, when all is over.
    ///
    /// # Panics
    /// Before the answer.
    #[inline]
    pub(in crate::net) fn into_data(mut self) -> Held<B> {
        let SendMessage { data, header, .. } = self.operation.take_payload();
        self.sender.keep(header);
        data
    }

    /// What the answer means, and the buffer.
    #[inline]
    pub(in crate::net) fn end(self, answer: Answer) -> (Result<()>, B) {
        (judge(answer), self.into_data().into_inner())
    }

    /// Sends it by a call of its own if the driver need not be asked, or else by the driver.
    #[inline]
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        if !self.is_with_driver {
            let at_once = Core::with(|core| {
                let is_alone = self.sender.is_alone(core);
                if !is_alone || core.scope_is_effective() {
                    return Poll::Ready(None);
                }
                core.poll_immediate(cx).map(|()| self.operation.payload_mut().send_at_once(core))
            });
            match at_once {
                Poll::Ready(None) => self.count(),
                Poll::Ready(Some(answer)) => return Poll::Ready(answer),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.operation.poll_answer(cx)
    }

    /// Notes that the driver has it. Those that come meanwhile must not overtake it.
    #[inline]
    fn count(&mut self) {
        if !std::mem::replace(&mut self.is_with_driver, true) {
            self.sender.in_flight.set(self.sender.in_flight.get() + 1);
        }
    }

    #[inline]
    fn is_to_be_repeated(&self, answer: Answer) -> bool {
        matches!(answer, Err(Refusal::System(_)))
            && (has_found_no_room(answer) || !self.sender.is_connected && concerns_another(answer))
    }

    /// Sends what was not sent because there was no room, or because of what the network has said of another.
    #[cold]
    async fn repeat(&mut self, mut answer: Answer) -> Answer {
        self.count();
        let mut repeats = REPEATS;
        while self.is_to_be_repeated(answer) {
            if has_found_no_room(answer) {
                let SendMessage { descriptor, header, .. } = self.operation.payload();
                room::wait(descriptor, &header.to).await?;
            } else if repeats == 0 {
                break;
            } else {
                repeats -= 1;
            }
            answer = poll_fn(|cx| self.operation.poll_answer(cx)).await;
        }
        answer
    }
}

impl<B: IoBuf> Drop for Sending<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if self.is_with_driver {
            self.sender.in_flight.set(self.sender.in_flight.get() - 1);
        }
        // What the driver has is its operation's.
        if let Some(send) = self.operation.reclaim_payload() {
            self.sender.keep(send.header);
        }
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
    answer.map(drop).map_err(|refusal| error_of(refusal, "send"))
}

/// Sends one message.
struct SendMessage<B> {
    descriptor: Descriptor,
    data: Held<B>,
    header: Box<Header>,
}

impl<B: IoBuf> SendMessage<B> {
    /// Sends without waiting. Nothing if it would have to wait, or was interrupted.
    #[inline]
    fn send_at_once(&mut self, core: &Core) -> Option<Answer> {
        let message = self.header.message();
        // SAFETY: the message and all it points to are here, and are not changed during the call.
        match unsafe { calls::send_message(core, self.descriptor.raw(), message) } {
            Ok(count) => Some(Ok(count)),
            // The numbers are the same on Linux only.
            #[allow(unreachable_patterns)]
            Err(libc::EAGAIN | libc::EWOULDBLOCK | libc::EINTR) => None,
            Err(number) => Some(Err(Refusal::System(number))),
        }
    }
}

// SAFETY: the descriptor is counted, a held buffer stays where it is, and everything else is in a box.
unsafe impl<B: IoBuf> Payload for SendMessage<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = Answer;

    #[inline]
    fn op(&mut self) -> Op {
        let message = self.header.message();
        Op::SendMessage { fd: self.descriptor.raw(), message, flags: libc::MSG_DONTWAIT }
    }

    #[inline]
    fn finish(self, answer: Answer) -> Answer {
        answer
    }
}
