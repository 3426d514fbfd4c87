//! Messages that go to the system together.
//!
//! A send that is not to wait needs nobody who waits for it: all is done within the call. So drivers keep such sends until
//! their next turn, and those that follow each other on one socket go in one call then (`sendmmsg`). To the kernel 32
//! datagrams in a call are 0.8 of 32 by calls of their own, and less than by an io_uring.
//!
//! # Contract
//! Whoever pushes a message promises that it and all it points to may be read until it was answered or taken back. Heads are
//! copied; what they point to is only passed on to the system, which is done with it when the call returns.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod together;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "outgoing/one_by_one.rs"]
mod together;

use crate::{Op, Token, send_now::send_now};
use libc::msghdr;
use std::{fmt, mem::MaybeUninit, ops::Range, os::fd::RawFd};
use together::Slot;

/// Sends several messages of a socket, one after the other until one fails. Gives how many were sent, each of which says by
/// how many bytes; or minus an error's number if the first has failed.
type Call = unsafe fn(RawFd, &mut [Slot]) -> i32;

/// Sends that wait for the next turn.
pub struct Outgoing {
    /// Whose they are. `None` for those that were taken back.
    names: Vec<Option<(RawFd, Token)>>,
    messages: Vec<Slot>,
    taken_back: usize,
    /// Nothing where there is no such call, or it is refused.
    call: Option<Call>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { names: Vec::new(), messages: Vec::new(), taken_back: 0, call: together::CALL }
    }
}

impl Outgoing {
    /// The message that an operation sends without waiting, if it does.
    #[inline]
    pub fn message_of(op: Op) -> Option<(RawFd, *const msghdr)> {
        match op {
            Op::SendMessage { fd, message, flags } if flags == libc::MSG_DONTWAIT => Some((fd, message)),
            _ => None,
        }
    }

    /// Keeps a message.
    ///
    /// # Safety
    /// It and all it points to may be read until it was answered or taken back.
    #[inline]
    pub unsafe fn push(&mut self, token: Token, fd: RawFd, message: *const msghdr) {
        self.names.push(Some((fd, token)));
        // SAFETY: the caller's promise.
        self.messages.push(together::slot(unsafe { *message }));
    }

    /// How many messages there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.names.len() - self.taken_back
    }

    /// Takes a message back. False if it is not here.
    pub fn take_back(&mut self, token: Token) -> bool {
        let is_it = |name: &&mut Option<(RawFd, Token)>| name.is_some_and(|(_, name)| name == token);
        let taken = self.names.iter_mut().find(is_it).and_then(Option::take);
        self.taken_back += usize::from(taken.is_some());
        taken.is_some()
    }

    /// Sends all, in order, and tells of each how many bytes were sent, or minus the number of the system's error.
    pub fn send(&mut self, mut answer: impl FnMut(Token, i32)) {
        let mut first = 0;
        while let Some(&name) = self.names.get(first) {
            let Some((fd, _)) = name else {
                first += 1;
                continue;
            };
            let run =
                self.names[first..].iter().take_while(|name| name.is_some_and(|(other, _)| other == fd));
            let end = first + run.count();
            while first < end {
                first += self.send_some(fd, first..end, &mut answer);
            }
        }
        self.names.clear();
        self.messages.clear();
        self.taken_back = 0;
    }

    /// Sends the first of these messages of a socket, or several, and tells of each. Gives how many those were.
    fn send_some(&mut self, fd: RawFd, run: Range<usize>, answer: &mut impl FnMut(Token, i32)) -> usize {
        let messages = &mut self.messages[run.clone()];
        let mut tell = |place: usize, result| {
            if let Some((_, token)) = self.names[run.start + place] {
                answer(token, result);
            }
        };
        let Some(call) = self.call.filter(|_| messages.len() > 1) else {
            // SAFETY: the promise of the one who has pushed it.
            tell(0, unsafe { send_now(fd, together::head(&messages[0])) });
            return 1;
        };
        // SAFETY: the promise of those who have pushed them.
        match unsafe { call(fd, messages) } {
            sent @ 1.. => {
                let sent = sent as usize;
                messages[..sent]
                    .iter()
                    .enumerate()
                    .for_each(|(place, sent)| tell(place, together::length(sent)));
                return sent;
            }
            // A firewall refuses a message so, and a sandbox the call.
            refused if refused == -libc::ENOSYS || refused == -libc::EPERM => {
                // SAFETY: the promise of the one who has pushed it.
                let alone = unsafe { send_now(fd, together::head(&messages[0])) };
                if alone != refused {
                    self.call = None;
                }
                tell(0, alone);
            }
            failed => tell(0, failed),
        }
        1
    }
}

/// How many messages [`send_several_now`] sends at most.
pub const MOST_SENT_NOW: usize = 32;

/// Sends messages of a socket in order and without waiting, up to [`MOST_SENT_NOW`], in one call where there is such a one.
/// Gives how many were sent; if the first was not, minus the number of the system's error, `EAGAIN` if there is no room.
///
/// # Safety
/// All that the messages point to may be read.
pub unsafe fn send_several_now(fd: RawFd, messages: impl Iterator<Item = msghdr>) -> i32 {
    let mut slots = [const { MaybeUninit::<Slot>::uninit() }; MOST_SENT_NOW];
    let mut count = 0;
    for (slot, message) in slots.iter_mut().zip(messages) {
        slot.write(together::slot(message));
        count += 1;
    }
    // SAFETY: so many were written just now; a slot that may be unwritten lies as one that is written.
    let slots = unsafe { std::slice::from_raw_parts_mut(slots.as_mut_ptr().cast::<Slot>(), count) };
    if let Some(call) = together::CALL.filter(|_| count > 1) {
        // SAFETY: the caller's promise.
        let sent = unsafe { call(fd, slots) };
        // A firewall refuses a message so, and a sandbox the call.
        if sent != -libc::ENOSYS && sent != -libc::EPERM {
            return sent;
        }
    }
    for (sent, slot) in slots.iter().enumerate() {
        // SAFETY: the caller's promise.
        let result = unsafe { send_now(fd, together::head(slot)) };
        if result < 0 {
            return if sent == 0 { result } else { sent as i32 };
        }
    }
    count as i32
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("count", &self.count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{mem, net::UdpSocket, os::fd::AsRawFd, ptr};

    fn pair() -> (UdpSocket, UdpSocket) {
        let [one, other] = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.set_nonblocking(true).unwrap();
        (one, other)
    }

    /// A message of these bytes to the peer of its socket. What it points to is leaked.
    fn message(bytes: &'static [u8]) -> *const msghdr {
        let piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: all zeroes is a message without anything.
        let mut message: msghdr = unsafe { mem::zeroed() };
        message.msg_iov = ptr::from_mut(Box::leak(Box::new(piece)));
        message.msg_iovlen = 1;
        Box::leak(Box::new(message))
    }

    fn received(socket: &UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = [0; 64];
        std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())).collect()
    }

    fn answers(outgoing: &mut Outgoing) -> Vec<(u32, i32)> {
        let mut answers = Vec::new();
        outgoing.send(|token, result| answers.push((token.index(), result)));
        assert_eq!(outgoing.count(), 0);
        answers
    }

    #[test]
    fn each_socket_sends_its_messages_in_order_and_each_is_answered() {
        let ((one, at_one), (two, at_two)) = (pair(), pair());
        let mut outgoing = Outgoing::default();
        let texts: [(&UdpSocket, &'static [u8]); 5] =
            [(&one, b"a"), (&one, b"bc"), (&two, b"def"), (&one, b""), (&one, b"g")];
        for (index, (socket, text)) in texts.into_iter().enumerate() {
            // SAFETY: the message is leaked.
            unsafe { outgoing.push(Token::new(index as u32, 0), socket.as_raw_fd(), message(text)) };
        }
        assert!(outgoing.take_back(Token::new(4, 0)));
        assert!(!outgoing.take_back(Token::new(4, 0)));
        assert_eq!(outgoing.count(), 4);
        assert_eq!(answers(&mut outgoing), [(0, 1), (1, 2), (2, 3), (3, 0)]);
        assert_eq!(received(&at_one), [&b"a"[..], b"bc", b""]);
        assert_eq!(received(&at_two), [b"def"]);
    }

    #[test]
    fn several_are_sent_at_once_up_to_the_first_that_cannot_be() {
        static LONG: [u8; 70_000] = [0; 70_000];
        let (one, at_one) = pair();
        let send = |texts: &[&'static [u8]]| {
            // SAFETY: the messages are leaked.
            unsafe { send_several_now(one.as_raw_fd(), texts.iter().map(|text| *message(text))) }
        };
        assert_eq!(send(&[]), 0);
        assert_eq!(send(&[b"a"]), 1);
        assert_eq!(send(&[b"b", b"", b"c", &LONG, b"d"]), 3);
        assert_eq!(send(&[&LONG, b"d"]), -libc::EMSGSIZE);
        assert_eq!(send(&[b"e".as_slice(); 50]), MOST_SENT_NOW as i32);
        let received = received(&at_one);
        assert_eq!(received[..4], [&b"a"[..], b"b", b"", b"c"]);
        assert_eq!(received[4..], [b"e"; MOST_SENT_NOW]);
    }

    #[test]
    fn what_was_taken_back_from_between_others_is_not_sent() {
        let (one, at_one) = pair();
        let mut outgoing = Outgoing::default();
        for (index, text) in [b"a", b"b", b"c", b"d", b"e"].into_iter().enumerate() {
            // SAFETY: the message is leaked.
            unsafe { outgoing.push(Token::new(index as u32, 0), one.as_raw_fd(), message(text)) };
        }
        for index in [0, 2, 3] {
            assert!(outgoing.take_back(Token::new(index, 0)));
        }
        assert_eq!(outgoing.count(), 2);
        assert_eq!(answers(&mut outgoing), [(1, 1), (4, 1)]);
        assert_eq!(received(&at_one), [b"b", b"e"]);
    }

    #[test]
    fn a_message_that_cannot_be_sent_does_not_keep_those_behind_it() {
        static LONG: [u8; 70_000] = [0; 70_000];
        let (one, at_one) = pair();
        let mut outgoing = Outgoing::default();
        for (index, text) in [&b"a"[..], &LONG, b"b", b"c"].into_iter().enumerate() {
            // SAFETY: the message is leaked.
            unsafe { outgoing.push(Token::new(index as u32, 0), one.as_raw_fd(), message(text)) };
        }
        assert_eq!(answers(&mut outgoing), [(0, 1), (1, -libc::EMSGSIZE), (2, 1), (3, 1)]);
        assert_eq!(received(&at_one), [b"a", b"b", b"c"]);
    }

    #[test]
    fn where_the_call_is_refused_messages_go_one_by_one() {
        for number in [libc::ENOSYS, libc::EPERM] {
            let (one, at_one) = pair();
            let refusing: Call = match number {
                libc::ENOSYS => |_, _| -libc::ENOSYS,
                _ => |_, _| -libc::EPERM,
            };
            let mut outgoing = Outgoing { call: Some(refusing), ..Outgoing::default() };
            for (index, text) in [b"a", b"b", b"c"].into_iter().enumerate() {
                // SAFETY: the message is leaked.
                unsafe { outgoing.push(Token::new(index as u32, 0), one.as_raw_fd(), message(text)) };
            }
            assert_eq!(answers(&mut outgoing), [(0, 1), (1, 1), (2, 1)]);
            assert_eq!(received(&at_one), [b"a", b"b", b"c"]);
            assert!(outgoing.call.is_none(), "it is remembered");
        }
    }
}
