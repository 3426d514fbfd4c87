//! Turns, wake-ups, and numbers of descriptors that are used again.

use crate::harness::Harness;
use anyio_driver::{Driver, Op, Wait};
use std::{
    io::Write,
    net::UdpSocket,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    thread,
    time::{Duration, Instant},
};

fn receive(fd: RawFd, room: &mut [u8]) -> Op {
    Op::Receive { fd, pointer: room.as_mut_ptr(), length: room.len() as u32, flags: 0 }
}

#[test]
fn a_turn_waits_until_its_moment_and_not_less() {
    let mut harness = Harness::new();
    for micros in [100, 900, 1500, 10_000] {
        let moment = Instant::now() + Duration::from_micros(micros);
        assert_eq!(harness.turn(Wait::Until(moment)), 0);
        assert!(Instant::now() >= moment);
    }
    // A moment that is past does not wait; if it did, this would not end.
    harness.turn(Wait::Until(Instant::now() - Duration::from_secs(1)));
    harness.turn(Wait::No);
}

#[test]
fn a_wake_up_before_a_turn_ends_it() {
    let mut harness = Harness::new();
    let unparker = harness.driver.unparker();
    for _ in 0..100 {
        unparker.unpark();
        unparker.unpark();
        assert_eq!(harness.turn(Wait::Forever), 0);
    }
}

#[test]
fn wake_ups_from_threads_end_turns_and_none_is_lost() {
    let mut harness = Harness::new();
    let unparker = harness.driver.unparker();
    let (tell, told) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (unparker, tell) = (unparker.clone(), tell.clone());
            thread::spawn(move || {
                for _ in 0..2_000 {
                    tell.send(()).unwrap();
                    unparker.unpark();
                }
            })
        })
        .collect();
    let mut heard = 0;
    while heard < 8_000 {
        heard += told.try_iter().count();
        if heard < 8_000 {
            harness.turn(Wait::Forever);
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_wake_up_outlives_the_driver_harmlessly() {
    let unparker = Harness::new().driver.unparker();
    unparker.unpark();
}

#[test]
fn a_number_used_again_after_a_close_is_watched_anew() {
    let mut harness = Harness::new();
    let mut room = [0u8; 4];
    for _ in 0..4 {
        let (near, mut far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        let token = harness.submit(receive(fd, &mut room));
        assert!(!harness.is_done(token));
        far.write_all(b"x").unwrap();
        assert_eq!(harness.result(token).unwrap(), 1);
        harness.driver.forget(near.as_raw_fd());
    }
}

#[test]
fn a_number_whose_descriptor_left_the_driver_is_watched_anew() {
    let mut harness = Harness::new();
    let mut room = [0u8; 4];
    let (first, _other) = UnixStream::pair().unwrap();
    let fd = first.as_raw_fd();
    let token = harness.submit(receive(fd, &mut room));
    assert!(!harness.is_done(token));
    harness.driver.cancel(token);
    assert!(harness.is_cancelled(token));
    harness.driver.forget(fd);
    let (second, mut far) = UnixStream::pair().unwrap();
    // SAFETY: gives the second socket the first one's number, which closes what had it.
    assert_eq!(unsafe { libc::dup2(second.as_raw_fd(), fd) }, fd);
    let token = harness.submit(receive(fd, &mut room));
    assert!(!harness.is_done(token));
    far.write_all(b"new").unwrap();
    assert_eq!(harness.result(token).unwrap(), 3);
}

#[test]
fn a_poll_notices_that_its_descriptor_is_another_than_before() {
    let mut harness = Harness::new();
    let (first, _other) = UnixStream::pair().unwrap();
    let fd = first.as_raw_fd();
    let poll = Op::Poll { fd, events: libc::POLLIN as u32 };
    let token = harness.submit(poll);
    assert!(!harness.is_done(token));
    harness.driver.cancel(token);
    assert!(harness.is_cancelled(token));
    let (second, mut far) = UnixStream::pair().unwrap();
    // SAFETY: gives the second socket the first one's number, which closes what had it.
    assert_eq!(unsafe { libc::dup2(second.as_raw_fd(), fd) }, fd);
    let token = harness.submit(poll);
    assert!(!harness.is_done(token));
    far.write_all(b"new").unwrap();
    assert_eq!(harness.result(token).unwrap(), libc::POLLIN as u32);
    // Polled, not consumed: it is ready again at once.
    assert_eq!(harness.run(poll).unwrap(), libc::POLLIN as u32);
}

#[test]
fn several_polls_of_one_descriptor_see_the_events_they_wait_for() {
    let mut harness = Harness::new();
    let (near, mut far) = UnixStream::pair().unwrap();
    let fd = near.as_raw_fd();
    let readable = [0; 3].map(|_| harness.submit(Op::Poll { fd, events: libc::POLLIN as u32 }));
    let urgent = harness.submit(Op::Poll { fd, events: libc::POLLPRI as u32 });
    assert_eq!(
        harness.run(Op::Poll { fd, events: (libc::POLLIN | libc::POLLOUT) as u32 }).unwrap(),
        libc::POLLOUT as u32
    );
    far.write_all(b"x").unwrap();
    for token in readable {
        assert_eq!(harness.result(token).unwrap(), libc::POLLIN as u32);
    }
    assert!(!harness.is_done(urgent));
    drop(far);
    assert_ne!(harness.result(urgent).unwrap() & libc::POLLHUP as u32, 0);
}

#[test]
fn a_descriptor_that_is_none_is_an_error_of_each_operation() {
    let mut harness = Harness::new();
    let mut room = [0u8; 4];
    for fd in [-1, i32::MAX, 1_000_000] {
        assert_eq!(harness.error(receive(fd, &mut room)), libc::EBADF);
        assert_eq!(harness.error(Op::Accept { fd }), libc::EBADF);
        assert_eq!(harness.error(Op::Poll { fd, events: 1 }), libc::EBADF);
        let read = Op::Read { fd, pointer: room.as_mut_ptr(), length: 4, offset: None };
        assert_eq!(harness.error(read), libc::EBADF);
    }
}

#[test]
fn messages_carry_addresses_and_keep_their_boundaries() {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut harness = Harness::new();
    let address = crate::address::of(far.local_addr().unwrap());
    let mut room = [0u8; 16];
    for text in [b"one", b"two"] {
        let mut piece = libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: 3 };
        // SAFETY: all zeroes is an empty message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = address.pointer().cast_mut().cast();
        message.msg_namelen = address.length();
        message.msg_iov = &mut piece;
        message.msg_iovlen = 1;
        let send = Op::SendMessage { fd: near.as_raw_fd(), message: &message, flags: 0 };
        assert_eq!(harness.run(send).unwrap(), 3);
    }
    assert_eq!(harness.run(receive(far.as_raw_fd(), &mut room)).unwrap(), 3);
    assert_eq!(&room[..3], b"one");
    let mut piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: 16 };
    // SAFETY: all zeroes is an empty address and message.
    let (mut from, mut message): (libc::sockaddr_in, libc::msghdr) = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of_val(&from) as libc::socklen_t;
    message.msg_iov = &mut piece;
    message.msg_iovlen = 1;
    let op = Op::ReceiveMessage { fd: far.as_raw_fd(), message: &mut message, flags: 0 };
    assert_eq!(harness.run(op).unwrap(), 3);
    assert_eq!(u16::from_be(from.sin_port), near.local_addr().unwrap().port());
    let waiting = harness.submit(op);
    assert!(!harness.is_done(waiting));
    harness.driver.cancel(waiting);
    assert!(harness.is_cancelled(waiting));
}

#[test]
fn datagrams_that_arrived_together_are_received_one_by_one() {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    near.connect(far.local_addr().unwrap()).unwrap();
    let mut harness = Harness::new();
    let mut room = [0u8; 16];
    let token = harness.submit(receive(far.as_raw_fd(), &mut room));
    assert!(!harness.is_done(token));
    // One event tells of all three, and each is shorter than the room: that does not mean the socket is drained.
    for text in [b"1", b"2", b"3"] {
        near.send(text).unwrap();
    }
    assert_eq!(harness.result(token).unwrap(), 1);
    for text in [b"2", b"3"] {
        assert_eq!(harness.run(receive(far.as_raw_fd(), &mut room)).unwrap(), 1);
        assert_eq!(&room[..1], text);
    }
}

#[test]
fn the_child_of_a_fork_is_refused() {
    let mut harness = Harness::new();
    // SAFETY: the child does nothing but take a turn, which returns at once, and leave.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = harness.driver.turn(Wait::No, &mut Vec::new()).is_err();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    harness.turn(Wait::No);
}
