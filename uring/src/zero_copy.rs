//! Sending out of the caller's memory without a copy of it.
//!
//! The kernel answers such a send twice: what it has sent, and later, when the network is done with the bytes, that it
//! needs them no more. Only the second is the operation's completion. Where it gains nothing (sockets of this host, devices
//! that cannot gather bytes, kernels that do not know it) bytes are sent as always.
//!
//! # Contract
//! A send's memory is named by its entry until its completion is handed out, which is not before the kernel's last answer.

use crate::Statistics;
use anyio_driver::{Op, Token};
use io_uring::{cqueue, opcode, squeue::Entry, types::Fd};
use std::{
    collections::HashMap,
    mem::{self, MaybeUninit},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::RawFd,
};

/// No send of fewer bytes goes without a copy: to keep account of it costs more than the copy.
const LEAST: usize = 4096;

/// Has the kernel tell whether it had to copy after all (`IORING_SEND_ZC_REPORT_USAGE`, Linux 6.2).
const REPORT_USAGE: u16 = 1 << 3;

/// The kernel's last answer: it had to.
const COPIED: i32 = i32::MIN;

/// When to send without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZeroCopySends {
    /// From how many bytes on; what is less than 4096 counts as 4096.
    pub threshold: usize,
    /// Whether also to sockets of this host, where the kernel copies all the same. For tests.
    pub to_this_host: bool,
}

/// What is known of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Worth {
    #[default]
    Unknown,
    Yes,
    No,
}

/// What is to be done when a send has got its last answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer counts.
    Done,
    /// It is to be sent with a copy.
    Again,
}

/// The sends in flight that go without a copy, and what is known of sockets.
pub(crate) struct ZeroCopy {
    threshold: usize,
    to_this_host: bool,
    /// By descriptor.
    sockets: Vec<Worth>,
    sends: HashMap<Token, Op>,
    /// Those that the kernel has refused to send so.
    again: Vec<(Token, Op)>,
    /// Set when the kernel does not know such sends.
    off: bool,
}

impl ZeroCopy {
    pub(crate) fn new(options: ZeroCopySends) -> Self {
        Self {
            threshold: options.threshold.max(LEAST),
            to_this_host: options.to_this_host,
            sockets: Vec::new(),
            sends: HashMap::new(),
            again: Vec::new(),
            off: false,
        }
    }

    /// The entry that sends without a copy, if this send is to.
    pub(crate) fn begin(&mut self, token: Token, op: Op) -> Option<Entry> {
        let Op::Send { fd, pointer, length, flags } = op else { return None };
        if self.off || (length as usize) < self.threshold || !self.is_worth_it(fd) {
            return None;
        }
        self.sends.insert(token, op);
        let send = opcode::SendZc::new(Fd(fd), pointer, length).flags(flags | libc::MSG_NOSIGNAL);
        Some(send.zc_flags(REPORT_USAGE).build())
    }

    fn is_worth_it(&mut self, fd: RawFd) -> bool {
        let Ok(index) = usize::try_from(fd) else { return false };
        if index >= self.sockets.len() {
            self.sockets.resize(index + 1, Worth::Unknown);
        }
        if self.sockets[index] == Worth::Unknown {
            let far = self.to_this_host && peer(fd).is_some() || leads_away(fd);
            self.sockets[index] = if far { Worth::Yes } else { Worth::No };
        }
        self.sockets[index] == Worth::Yes
    }

    /// Forgets a send that never reached the kernel.
    pub(crate) fn take_back(&mut self, token: Token) {
        self.sends.remove(&token);
    }

    /// Judges the result of a send that has got its last answer, with what that said if it came by itself.
    pub(crate) fn end(
        &mut self,
        token: Token,
        result: i32,
        notification: Option<i32>,
        may_repeat: bool,
        statistics: &mut Statistics,
    ) -> Verdict {
        let Some(op @ Op::Send { fd, .. }) = self.sends.remove(&token) else { return Verdict::Done };
        let refused = match -result {
            libc::EINVAL => {
                self.off = true;
                true
            }
            libc::EOPNOTSUPP => {
                self.note_worthless(fd);
                true
            }
            // The limit on locked memory, to which what the network has in its hands counts.
            libc::ENOMEM | libc::ENOBUFS => true,
            _ => false,
        };
        if refused {
            statistics.zero_copy_refusals += 1;
            if may_repeat {
                self.again.push((token, op));
                return Verdict::Again;
            }
            return Verdict::Done;
        }
        if result > 0 {
            statistics.zero_copy_sends += 1;
        }
        if notification == Some(COPIED) {
            statistics.zero_copy_copied += 1;
            self.note_worthless(fd);
        }
        Verdict::Done
    }

    fn note_worthless(&mut self, fd: RawFd) {
        if let Some(worth) = usize::try_from(fd).ok().and_then(|index| self.sockets.get_mut(index)) {
            *worth = Worth::No;
        }
    }

    /// Forgets what is known of a socket that goes.
    pub(crate) fn forget(&mut self, fd: RawFd) {
        if let Some(worth) = usize::try_from(fd).ok().and_then(|index| self.sockets.get_mut(index)) {
            *worth = Worth::Unknown;
        }
    }

    /// Those that are to be sent with a copy, once.
    #[inline]
    pub(crate) fn take_again(&mut self) -> Vec<(Token, Op)> {
        mem::take(&mut self.again)
    }
}

/// Whether a completion of the kernel is the second answer to a send.
#[inline]
pub(crate) fn is_notification(flags: u32) -> bool {
    cqueue::notif(flags)
}

/// Whether what this socket sends may leave this host.
fn leads_away(fd: RawFd) -> bool {
    match (own(fd), peer(fd)) {
        (Some(own), Some(peer)) => own != peer && !is_loopback(peer),
        _ => false,
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

type AskForName = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn own(fd: RawFd) -> Option<IpAddr> {
    address(fd, libc::getsockname)
}

fn peer(fd: RawFd) -> Option<IpAddr> {
    address(fd, libc::getpeername)
}

fn address(fd: RawFd, ask: AskForName) -> Option<IpAddr> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: there is room for each kind of address, and the length says how much.
    if unsafe { ask(fd, storage.as_mut_ptr().cast(), &mut length) } != 0 {
        return None;
    }
    // SAFETY: all zeroes is a valid value, of which the call has filled a part.
    let storage = unsafe { storage.assume_init() };
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: an address of this family is this record, for which there is room.
            let address = unsafe { (&raw const storage).cast::<libc::sockaddr_in>().read() };
            Some(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as for the other family.
            let address = unsafe { (&raw const storage).cast::<libc::sockaddr_in6>().read() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream},
        os::fd::AsRawFd,
        os::unix::net::UnixStream,
    };

    const TOKEN: Token = Token::new(1, 1);

    fn send(socket: &impl AsRawFd, length: u32) -> Op {
        Op::Send { fd: socket.as_raw_fd(), pointer: std::ptr::null(), length, flags: 0 }
    }

    fn tcp() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn everywhere() -> ZeroCopy {
        ZeroCopy::new(ZeroCopySends { threshold: 16_384, to_this_host: true })
    }

    #[test]
    fn neither_small_sends_nor_those_to_this_host_go_without_a_copy() {
        let (client, _server) = tcp();
        let (unix, _other) = UnixStream::pair().unwrap();
        let mut zero_copy = ZeroCopy::new(ZeroCopySends { threshold: 0, to_this_host: false });
        assert!(zero_copy.begin(TOKEN, send(&client, 1 << 20)).is_none());
        let mut zero_copy = everywhere();
        assert!(zero_copy.begin(TOKEN, send(&client, 16_383)).is_none());
        assert!(zero_copy.begin(TOKEN, send(&unix, 1 << 20)).is_none());
        assert!(zero_copy.begin(TOKEN, send(&client, 16_384)).is_some());
        assert_eq!(ZeroCopy::new(ZeroCopySends { threshold: 1, to_this_host: true }).threshold, LEAST);
    }

    #[test]
    fn a_refusal_is_followed_by_a_copy_and_remembered_by_its_kind() {
        let (client, _server) = tcp();
        let op = send(&client, 1 << 20);
        let mut counts = Statistics::default();
        let mut zero_copy = everywhere();
        // For this time.
        assert!(zero_copy.begin(TOKEN, op).is_some());
        assert_eq!(zero_copy.end(TOKEN, -libc::ENOMEM, None, true, &mut counts), Verdict::Again);
        assert_eq!(zero_copy.take_again().len(), 1);
        // For this socket.
        assert!(zero_copy.begin(TOKEN, op).is_some());
        assert_eq!(zero_copy.end(TOKEN, -libc::EOPNOTSUPP, Some(0), true, &mut counts), Verdict::Again);
        assert!(zero_copy.begin(TOKEN, op).is_none());
        zero_copy.forget(client.as_raw_fd());
        // For all, and not repeated if it was to be cancelled.
        assert!(zero_copy.begin(TOKEN, op).is_some());
        assert_eq!(zero_copy.end(TOKEN, -libc::EINVAL, None, false, &mut counts), Verdict::Done);
        assert!(zero_copy.begin(TOKEN, op).is_none());
        assert_eq!((counts.zero_copy_refusals, counts.zero_copy_sends), (3, 0));
    }

    #[test]
    fn a_socket_whose_bytes_are_copied_all_the_same_is_sent_to_with_a_copy() {
        let (client, _server) = tcp();
        let op = send(&client, 1 << 20);
        let mut counts = Statistics::default();
        let mut zero_copy = everywhere();
        assert!(zero_copy.begin(TOKEN, op).is_some());
        assert_eq!(zero_copy.end(TOKEN, 5, Some(0), true, &mut counts), Verdict::Done);
        assert!(zero_copy.begin(TOKEN, op).is_some());
        assert_eq!(zero_copy.end(TOKEN, 5, Some(COPIED), true, &mut counts), Verdict::Done);
        assert!(zero_copy.begin(TOKEN, op).is_none());
        assert_eq!((counts.zero_copy_sends, counts.zero_copy_copied), (2, 1));
    }
}
