//! Receiving messages again and again.

use crate::harness::Harness;
use anyio_driver::{
    Driver, LONGEST_MESSAGE, Op, Token,
    testing::messages::{LAYOUT, room, sockets, take},
};
use std::os::fd::AsRawFd;

fn stop(h: &mut Harness, token: Token) {
    h.driver.cancel(token);
    loop {
        let completion = h.next(token);
        if completion.is_final() {
            return assert_eq!(completion.result, -libc::ECANCELED);
        }
        take(&mut h.driver, completion);
    }
}

#[test]
fn messages_come_one_after_the_other_with_what_belongs_to_them() {
    skip_unless_selected!();
    let mut h = Harness::new();
    if !h.driver.supports(anyio_driver::OpKind::ReceiveMessages) {
        return;
    }
    let (one, other) = sockets();
    let room = room(LAYOUT);
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    h.turn();
    let sizes = [5, 1200, 20_000, 60_000];
    for size in sizes {
        one.send(&vec![size as u8; size]).unwrap();
        let completion = h.next(token);
        assert!(!completion.is_final());
        let (head, payload) = take(&mut h.driver, completion);
        assert_eq!(payload, vec![size as u8; size]);
        assert_eq!((head.payload_length as usize, head.name_length, head.control_length), (size, 16, 0));
        assert_eq!(head.flags & libc::MSG_TRUNC as u32, 0);
    }
    stop(&mut h, token);
    h.drain();
}

#[test]
fn an_empty_message_is_a_message() {
    skip_unless_selected!();
    let mut h = Harness::new();
    if !h.driver.supports(anyio_driver::OpKind::ReceiveMessages) {
        return;
    }
    let (one, other) = sockets();
    let room = room(LAYOUT);
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    h.turn();
    one.send(&[]).unwrap();
    let completion = h.next(token);
    let (head, payload) = take(&mut h.driver, completion);
    assert_eq!((head.payload_length, payload.len(), head.name_length), (0, 0, 16));
    if !completion.is_final() {
        stop(&mut h, token);
    }
    h.drain();
}

#[test]
fn buffers_become_more_when_they_run_out() {
    skip_unless_selected!();
    let mut h = Harness::new();
    if !h.driver.supports(anyio_driver::OpKind::ReceiveMessages) {
        return;
    }
    let (one, other) = sockets();
    let room = room(LAYOUT);
    let mut kept = Vec::new();
    let mut token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    for number in 0..200_u8 {
        one.send(&[number]).unwrap();
        let mut completion = h.next(token);
        while completion.result == -libc::ENOBUFS {
            assert!(completion.is_final());
            token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
            completion = h.next(token);
        }
        let chunk = h.driver.take_buffer(completion.buffer, completion.result as usize);
        assert_eq!(chunk[LAYOUT.payload_offset()..], [number]);
        kept.push(chunk);
    }
    assert!(h.driver.statistics().buffer_shortages >= 2, "{:?}", h.driver.statistics());
    drop(kept);
    stop(&mut h, token);
    h.drain();
    assert_eq!(h.driver.message_pool().statistics().in_use, 0);
}

#[test]
fn what_does_not_fit_is_told_to_be_cut() {
    skip_unless_selected!();
    let mut h = Harness::new();
    if !h.driver.supports(anyio_driver::OpKind::ReceiveMessages) {
        return;
    }
    let (one, other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let room = room(LAYOUT);
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    one.send(&vec![7; LONGEST_MESSAGE + 10_000]).unwrap();
    let completion = h.next(token);
    let (head, payload) = take(&mut h.driver, completion);
    assert_ne!(head.flags & libc::MSG_TRUNC as u32, 0);
    assert!(payload.len() >= LONGEST_MESSAGE, "{}", payload.len());
    if !completion.is_final() {
        stop(&mut h, token);
    }
    h.drain();
}

#[test]
fn a_receive_of_messages_that_is_given_up_leaves_nothing_behind() {
    skip_unless_selected!();
    let mut h = Harness::new();
    if !h.driver.supports(anyio_driver::OpKind::ReceiveMessages) {
        return;
    }
    let (one, other) = sockets();
    let room = room(LAYOUT);
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    h.turn();
    one.send(b"x").unwrap();
    drop(h);
    let _ = token;
}
