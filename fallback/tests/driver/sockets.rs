//! Operations on sockets.

use crate::harness::Harness;
use anyio_driver::{CompletionFlags, Driver, Op, Wait};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn receive(socket: &impl AsRawFd, room: &mut [u8]) -> Op {
    Op::Receive { fd: socket.as_raw_fd(), pointer: room.as_mut_ptr(), length: room.len() as u32, flags: 0 }
}

fn send(socket: &impl AsRawFd, bytes: &[u8]) -> Op {
    Op::Send { fd: socket.as_raw_fd(), pointer: bytes.as_ptr(), length: bytes.len() as u32, flags: 0 }
}

#[test]
fn nothing_is_handed_out_within_submit() {
    let mut harness = Harness::new();
    let token = harness.submit(Op::Nop {});
    assert_eq!(harness.driver.in_flight(), 1);
    assert_eq!(harness.result(token).unwrap(), 0);
}

#[test]
fn what_was_done_as_it_was_submitted_is_answered_once() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let sent = harness.submit(send(&near, b"at once"));
    let answer = harness.driver.take_answer(sent).expect("there is room, so it is sent at once");
    assert_eq!((answer.token, answer.result), (sent, 7));
    assert_eq!(harness.driver.take_answer(sent), None);
    assert_eq!(harness.driver.in_flight(), 0);
    assert_eq!(harness.turn(Wait::No), 0);
    let mut room = [0; 7];
    far.read_exact(&mut room).unwrap();
    assert_eq!(&room, b"at once");
}

#[test]
fn what_has_to_wait_has_no_answer_and_hides_none_of_another() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let mut room = [0; 16];
    let done = harness.submit(Op::Nop {});
    let waiting = harness.submit(receive(&near, &mut room));
    assert_eq!(harness.driver.take_answer(waiting), None);
    assert_eq!(harness.result(done).unwrap(), 0);
    far.write_all(b"later").unwrap();
    assert_eq!(harness.result(waiting).unwrap(), 5);
}

#[test]
fn a_receive_on_a_blocking_socket_waits_for_data_without_blocking_the_thread() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let mut room = [0; 16];
    let token = harness.submit(receive(&near, &mut room));
    assert!(!harness.is_done(token));
    far.write_all(b"hello").unwrap();
    assert_eq!(harness.result(token).unwrap(), 5);
    assert_eq!(&room[..5], b"hello");
}

#[test]
fn a_drained_socket_is_noticed_again_when_more_arrives() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let mut room = [0; 16];
    for round in 0..100u8 {
        let token = harness.submit(receive(&near, &mut room));
        if round % 2 == 0 {
            harness.turn(Wait::No);
        }
        far.write_all(&[round; 3]).unwrap();
        assert_eq!(harness.result(token).unwrap(), 3);
        assert_eq!(room[..3], [round; 3]);
    }
}

#[test]
fn the_end_of_a_stream_after_data_is_reported_each_time() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let mut room = [0; 16];
    let token = harness.submit(receive(&near, &mut room));
    far.write_all(b"last").unwrap();
    drop(far);
    assert_eq!(harness.result(token).unwrap(), 4);
    for _ in 0..3 {
        assert_eq!(harness.run(receive(&near, &mut room)).unwrap(), 0);
    }
}

#[test]
fn half_a_connection_still_carries_the_other_direction() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let mut room = [0; 16];
    assert_eq!(harness.run(Op::Shutdown { fd: near.as_raw_fd(), how: libc::SHUT_WR }).unwrap(), 0);
    assert_eq!(far.read(&mut room).unwrap(), 0);
    assert_eq!(harness.error(send(&near, b"x")), libc::EPIPE);
    let token = harness.submit(receive(&near, &mut room));
    far.write_all(b"still").unwrap();
    assert_eq!(harness.result(token).unwrap(), 5);
    far.shutdown(Shutdown::Write).unwrap();
    assert_eq!(harness.run(receive(&near, &mut room)).unwrap(), 0);
}

#[test]
fn a_reset_by_the_peer_is_an_error() {
    let (near, far) = pair();
    let mut harness = Harness::new();
    let mut room = [0; 16];
    let token = harness.submit(receive(&near, &mut room));
    assert!(!harness.is_done(token));
    // Closing with unread data resets.
    harness.run(send(&near, b"unread")).unwrap();
    let ready = harness.submit(Op::Poll { fd: far.as_raw_fd(), events: libc::POLLIN as u32 });
    harness.result(ready).unwrap();
    anyio_driver::Driver::forget(&mut harness.driver, far.as_raw_fd());
    drop(far);
    assert_eq!(harness.result(token).unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
}

#[test]
fn a_pooled_receive_holds_no_buffer_while_it_waits() {
    let (near, mut far) = pair();
    let mut harness = Harness::new();
    let token = harness.submit(Op::ReceivePooled { fd: near.as_raw_fd() });
    assert!(!harness.is_done(token));
    assert_eq!(anyio_driver::Driver::pool(&harness.driver).statistics().in_use, 0);
    far.write_all(b"pooled").unwrap();
    let completion = harness.completion(token);
    assert_eq!(completion.result, 6);
    assert_eq!(harness.chunk(completion), b"pooled");
    drop(far);
    let token = harness.submit(Op::ReceivePooled { fd: near.as_raw_fd() });
    let end = harness.completion(token);
    assert_eq!((end.result, end.flags), (0, CompletionFlags::empty()));
}

#[test]
fn a_multishot_receive_is_not_known_here() {
    let (near, _far) = pair();
    let mut harness = Harness::new();
    let token = harness.submit(Op::ReceiveMultishot { fd: near.as_raw_fd() });
    let completion = harness.completion(token);
    assert_eq!((completion.result, completion.flags), (-libc::EOPNOTSUPP, CompletionFlags::UNSUPPORTED));
}

#[test]
fn connections_are_made_and_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut harness = Harness::new();
    let accepting = harness.submit(Op::Accept { fd: listener.as_raw_fd() });
    assert!(!harness.is_done(accepting));
    let socket = tcp_socket();
    let address = crate::address::of(listener.local_addr().unwrap());
    let connecting = harness.submit(Op::Connect {
        fd: socket.as_raw_fd(),
        address: address.pointer(),
        length: address.length(),
    });
    assert_eq!(harness.result(connecting).unwrap(), 0);
    let accepted = harness.result(accepting).unwrap();
    // SAFETY: the driver has just made this descriptor for the test.
    let accepted = unsafe { OwnedFd::from_raw_fd(accepted as i32) };
    // SAFETY: only reads flags.
    assert_ne!(unsafe { libc::fcntl(accepted.as_raw_fd(), libc::F_GETFD) } & libc::FD_CLOEXEC, 0);
    assert_eq!(harness.run(send(&socket, b"hi")).unwrap(), 2);
    let mut room = [0; 4];
    assert_eq!(harness.run(receive(&accepted, &mut room)).unwrap(), 2);
}

fn tcp_socket() -> OwnedFd {
    // SAFETY: makes a new descriptor, which nobody else has.
    unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0)) }
}

#[test]
fn a_refused_connect_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = crate::address::of(listener.local_addr().unwrap());
    drop(listener);
    let mut harness = Harness::new();
    let socket = tcp_socket();
    let op = Op::Connect { fd: socket.as_raw_fd(), address: address.pointer(), length: address.length() };
    assert_eq!(harness.error(op), libc::ECONNREFUSED);
}

#[test]
fn large_transfers_in_both_directions_lose_nothing() {
    const LENGTH: usize = 8 << 20;
    let (near, far) = pair();
    let mut harness = Harness::new();
    let out = [pattern(1, LENGTH), pattern(2, LENGTH)];
    let mut back = [Vec::new(), Vec::new()];
    let mut sent = [0; 2];
    let sockets = [&near, &far];
    let mut sending = [None; 2];
    let mut receiving = [None; 2];
    while back.iter().any(|bytes| bytes.len() < LENGTH) {
        for side in 0..2 {
            if sent[side] < LENGTH && sending[side].is_none() {
                let end = LENGTH.min(sent[side] + 300_000);
                sending[side] = Some(harness.submit(send(sockets[side], &out[side][sent[side]..end])));
            }
            if back[side].len() < LENGTH && receiving[side].is_none() {
                let fd = sockets[1 - side].as_raw_fd();
                receiving[side] = Some(harness.submit(Op::ReceivePooled { fd }));
            }
        }
        for side in 0..2 {
            if let Some(token) = receiving[side].take() {
                let completion = harness.completion(token);
                back[side].extend_from_slice(&harness.chunk(completion));
            }
            if let Some(token) = sending[side]
                && harness.is_done(token)
            {
                sent[side] += harness.result(token).unwrap() as usize;
                sending[side] = None;
            }
        }
    }
    assert!(back == out);
    for token in sending.into_iter().flatten() {
        harness.result(token).unwrap();
    }
}

fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn waiting_for_all_fills_the_room_or_ends_with_the_stream() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut room = [0; 6];
    let op =
        Op::Receive { fd: near.as_raw_fd(), pointer: room.as_mut_ptr(), length: 6, flags: libc::MSG_WAITALL };
    let token = harness.submit(op);
    far.write_all(b"abc").unwrap();
    assert!(!harness.is_done(token));
    far.write_all(b"def").unwrap();
    assert_eq!(harness.result(token).unwrap(), 6);
    let token = harness.submit(op);
    far.write_all(b"gh").unwrap();
    assert!(!harness.is_done(token));
    drop(far);
    assert_eq!(harness.result(token).unwrap(), 2);
    assert_eq!(&room, b"ghcdef");
}

#[test]
fn what_a_withdrawn_operation_has_received_is_reported() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut harness = Harness::new();
    let mut room = [0; 6];
    let token = harness.submit(Op::Receive {
        fd: near.as_raw_fd(),
        pointer: room.as_mut_ptr(),
        length: 6,
        flags: libc::MSG_WAITALL,
    });
    far.write_all(b"abc").unwrap();
    assert!(!harness.is_done(token));
    anyio_driver::Driver::cancel(&mut harness.driver, token);
    assert_eq!(harness.result(token).unwrap(), 3);
}
