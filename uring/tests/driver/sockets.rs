//! Operations on sockets.

use crate::harness::{Harness, pair, receive, send, tcp_pair};
use anyio_driver::Op;
use std::{
    io::{Read, Write},
    mem,
    net::{SocketAddr, TcpListener},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

#[test]
fn bytes_sent_are_received() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, right) = tcp_pair();
    assert_eq!(harness.run(send(&left, b"hello")).unwrap(), 5);
    let mut buffer = [0; 16];
    assert_eq!(harness.run(receive(&right, &mut buffer)).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");
}

#[test]
fn a_receive_waits_for_data_and_reports_the_end() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    let mut buffer = [0; 16];
    let token = harness.submit(receive(&right, &mut buffer));
    assert_eq!(harness.turn(), 0);
    left.write_all(b"late").unwrap();
    assert_eq!(harness.next(token).result, 4);
    drop(left);
    assert_eq!(harness.run(receive(&right, &mut buffer)).unwrap(), 0);
}

#[test]
fn sending_to_a_closed_peer_is_an_error_and_not_a_signal() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, right) = pair();
    drop(right);
    let error = harness.run(send(&left, b"x")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
}

#[test]
fn connections_are_made_and_accepted_with_close_on_exec() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: no memory is involved.
    let client = unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0)) };
    let accept = harness.submit(Op::Accept { fd: listener.as_raw_fd() });
    let connect = harness.submit(Op::Connect {
        fd: client.as_raw_fd(),
        address: (&raw const address).cast(),
        length: mem::size_of_val(&address) as u32,
    });
    assert_eq!(harness.next(connect).result, 0);
    let accepted = harness.next(accept).result;
    assert!(accepted >= 0);
    // SAFETY: the descriptor is open and nobody else's.
    let (accepted, flags) = unsafe { (OwnedFd::from_raw_fd(accepted), libc::fcntl(accepted, libc::F_GETFD)) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    assert_eq!(harness.run(send(&client, b"ping")).unwrap(), 4);
    let mut stream = std::net::TcpStream::from(accepted);
    let mut buffer = [0; 4];
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ping");
}

#[test]
fn a_shutdown_ends_the_peers_receive() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, right) = tcp_pair();
    let mut buffer = [0; 4];
    let token = harness.submit(receive(&right, &mut buffer));
    assert_eq!(harness.run(Op::Shutdown { fd: left.as_raw_fd(), how: libc::SHUT_WR }).unwrap(), 0);
    assert_eq!(harness.next(token).result, 0);
}

#[test]
fn messages_carry_several_pieces() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, right) = pair();
    let pieces = [b"one".as_slice(), b"two"]
        .map(|piece| libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() });
    // SAFETY: all zeroes is an empty message.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = pieces.as_ptr().cast_mut();
    message.msg_iovlen = 2;
    let sent = harness.run(Op::SendMessage { fd: left.as_raw_fd(), message: &message, flags: 0 });
    assert_eq!(sent.unwrap(), 6);
    let mut buffer = [0_u8; 16];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 16 };
    message.msg_iov = &mut piece;
    message.msg_iovlen = 1;
    let received = harness.run(Op::ReceiveMessage { fd: right.as_raw_fd(), message: &mut message, flags: 0 });
    assert_eq!(received.unwrap(), 6);
    assert_eq!(&buffer[..6], b"onetwo");
}

#[test]
fn a_poll_reports_what_is_ready() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    let token = harness.submit(Op::Poll { fd: right.as_raw_fd(), events: libc::POLLIN as u32 });
    assert_eq!(harness.turn(), 0);
    left.write_all(b"x").unwrap();
    assert_ne!(harness.next(token).result & libc::POLLIN as i32, 0);
}
