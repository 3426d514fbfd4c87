//! Receives into buffers of the kernel's choice.

use crate::harness::{Harness, pair, tcp_pair};
use anyio_driver::{Chunk, Completion, CompletionFlags, Driver, Op};
use anyio_uring::Options;
use std::{io::Write, os::fd::AsRawFd};

/// A driver with four buffers of 64 bytes, where the kernel (Linux 6.0) can receive into such again and again.
fn few_buffers() -> Option<Harness> {
    let harness = Harness::with(&Options { buffers: 4, buffer_size: 64, ..Options::default() });
    harness.driver.capabilities().multishot_receive.then_some(harness)
}

fn chunk(harness: &mut Harness, completion: Completion) -> Chunk {
    assert!(completion.flags.contains(CompletionFlags::BUFFER), "{completion:?}");
    harness.driver.take_buffer(completion.buffer, completion.result as usize)
}

#[test]
fn a_pooled_receive_names_its_buffer() {
    skip_unless_selected!();
    let Some(mut harness) = few_buffers() else { return };
    let (mut left, right) = tcp_pair();
    // More than there are buffers, so that each must go back.
    for round in 0..20_u8 {
        let token = harness.submit(Op::ReceivePooled { fd: right.as_raw_fd() });
        left.write_all(&[round; 10]).unwrap();
        let completion = harness.next(token);
        assert!(completion.is_final());
        assert_eq!(chunk(&mut harness, completion), [round; 10]);
        assert_eq!(harness.driver.pool().statistics().in_use, 0);
    }
}

#[test]
fn a_multishot_receive_goes_on_until_the_end_of_the_stream() {
    skip_unless_selected!();
    let Some(mut harness) = few_buffers() else { return };
    let (mut left, right) = pair();
    let token = harness.submit(Op::ReceiveMultishot { fd: right.as_raw_fd() });
    for round in 0..20_u8 {
        left.write_all(&[round; 10]).unwrap();
        let completion = harness.next(token);
        assert!(!completion.is_final());
        assert_eq!(chunk(&mut harness, completion), [round; 10]);
        assert_eq!(harness.driver.in_flight(), 1);
    }
    drop(left);
    let completion = harness.next(token);
    assert_eq!((completion.result, completion.flags), (0, CompletionFlags::empty()));
    assert_eq!(harness.driver.in_flight(), 0);
}

#[test]
fn a_multishot_receive_ends_when_buffers_run_out_and_no_byte_is_lost() {
    skip_unless_selected!();
    let Some(mut harness) = few_buffers() else { return };
    let (mut left, right) = tcp_pair();
    let token = harness.submit(Op::ReceiveMultishot { fd: right.as_raw_fd() });
    left.write_all(&[7; 4 * 64 + 10]).unwrap();
    let mut chunks = Vec::new();
    let last = loop {
        let completion = harness.next(token);
        if completion.result < 0 {
            break completion;
        }
        chunks.push(chunk(&mut harness, completion));
    };
    assert_eq!(last.result, -libc::ENOBUFS);
    assert!(last.is_final());
    assert_eq!(chunks.len(), 4);
    assert_eq!(harness.driver.pool().statistics().in_use, 4);
    drop(chunks);
    let token = harness.submit(Op::ReceiveMultishot { fd: right.as_raw_fd() });
    let completion = harness.next(token);
    assert_eq!(chunk(&mut harness, completion), [7; 10]);
    harness.driver.cancel(token);
    assert_eq!(harness.next(token).result, -libc::ECANCELED);
}

#[test]
fn a_cancelled_multishot_receive_hands_out_what_came_before() {
    skip_unless_selected!();
    let Some(mut harness) = few_buffers() else { return };
    let (mut left, right) = pair();
    let token = harness.submit(Op::ReceiveMultishot { fd: right.as_raw_fd() });
    harness.turn();
    left.write_all(b"before").unwrap();
    harness.driver.cancel(token);
    let mut received = Vec::new();
    loop {
        let completion = harness.next(token);
        if completion.flags.contains(CompletionFlags::BUFFER) {
            received.extend_from_slice(&chunk(&mut harness, completion));
        }
        if completion.is_final() {
            break;
        }
    }
    // What the cancel was faster than is still in the socket.
    if received.is_empty() {
        let token = harness.submit(Op::ReceivePooled { fd: right.as_raw_fd() });
        let completion = harness.next(token);
        received.extend_from_slice(&chunk(&mut harness, completion));
    }
    assert_eq!(received, b"before");
}

#[test]
fn a_chunk_outlives_the_driver() {
    skip_unless_selected!();
    let Some(mut harness) = few_buffers() else { return };
    let (mut left, right) = pair();
    let token = harness.submit(Op::ReceivePooled { fd: right.as_raw_fd() });
    left.write_all(b"still here").unwrap();
    let completion = harness.next(token);
    let chunk = chunk(&mut harness, completion);
    drop(harness);
    assert_eq!(chunk, b"still here");
}

#[test]
fn without_buffers_pooled_receives_are_unsupported() {
    skip_unless_selected!();
    let mut harness = Harness::with(&Options { buffers: 0, ..Options::default() });
    let (_left, right) = pair();
    let token = harness.submit(Op::ReceivePooled { fd: right.as_raw_fd() });
    harness.driver.cancel(token);
    let completion = harness.next(token);
    assert_eq!(completion.result, -libc::EOPNOTSUPP);
    assert_eq!(completion.flags, CompletionFlags::UNSUPPORTED);
    assert!(!harness.driver.capabilities().pooled_receive);
}
