//! Closing in the background, and the end of a driver.

use crate::harness::{Harness, is_open, pair, receive};
use anyio_driver::{Driver, Op};
use anyio_uring::Options;
use std::{
    io::{Read, Write},
    os::fd::{AsRawFd, IntoRawFd, OwnedFd},
};

#[test]
fn a_descriptor_is_closed_by_the_next_turn() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    harness.driver.close(OwnedFd::from(right));
    harness.turn();
    assert_eq!(left.read(&mut [0]).unwrap(), 0);
    assert!(harness.completions.is_empty());
    assert_eq!((harness.driver.in_flight(), harness.driver.statistics().failed_closes), (0, 0));
}

#[test]
fn dropping_the_driver_closes_what_it_was_given() {
    skip_unless_selected!();
    let mut harness = Harness::with(&Options { entries: 8, ..Options::default() });
    let (lefts, rights): (Vec<_>, Vec<_>) = (0..100).map(|_| pair()).unzip();
    for right in rights {
        harness.driver.close(OwnedFd::from(right));
    }
    drop(harness);
    for mut left in lefts {
        assert_eq!(left.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn what_is_queued_when_the_driver_is_dropped_does_not_happen() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (left, mut right) = pair();
    harness.submit(crate::harness::send(&left, b"never"));
    let fd = left.as_raw_fd();
    harness.submit(Op::Close { fd });
    drop(harness);
    assert!(is_open(fd));
    (&left).write_all(b"only").unwrap();
    drop(left);
    let mut received = Vec::new();
    right.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"only");
}

#[test]
fn operations_in_flight_end_after_the_driver_although_it_can_be_woken_still() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (mut left, right) = pair();
    // The kernel may use it until the peer has seen the end, so it is leaked.
    let buffer = Box::leak(Box::new([0; 16]));
    harness.submit(receive(&right, buffer));
    if harness.driver.capabilities().multishot_receive {
        harness.submit(Op::ReceiveMultishot { fd: right.as_raw_fd() });
    }
    assert_eq!(harness.turn(), 0);
    let unparker = harness.driver.unparker();
    drop(harness);
    drop(right);
    assert_eq!(left.read(&mut [0]).unwrap(), 0, "nothing holds the socket any more");
    unparker.unpark();
}

#[test]
fn closing_a_descriptor_in_vain_is_counted() {
    skip_unless_selected!();
    let mut harness = Harness::new();
    let (_left, right) = pair();
    let number = right.into_raw_fd();
    let token = harness.submit(Op::Close { fd: number });
    assert_eq!(harness.next(token).result, 0);
    let token = harness.submit(Op::Close { fd: -1 });
    assert_eq!(harness.next(token).result, -libc::EBADF);
}

#[test]
fn a_threads_places_for_ring_descriptors_are_given_back() {
    skip_unless_selected!();
    let options = Options { entries: 4, buffers: 4, ..Options::default() };
    let uses_place = || Harness::with(&options).uses("registered ring descriptor");
    if uses_place() {
        assert!((0..100).all(|_| uses_place()));
    }
}
