//! Sends without a copy. The sockets are this host's, where the kernel copies all the same and says so, but in the order and
//! with the answers of all such sends.

use crate::harness::{Harness, pair, send, tcp_pair};
use anyio_driver::{Driver, Op};
use anyio_uring::{Options, ZeroCopySends};
use std::{io::Read, net::TcpStream, os::fd::AsRawFd, thread};

const THRESHOLD: usize = 16 * 1024;
const LONG: usize = 256 * 1024;

fn harness(to_this_host: bool) -> Option<Harness> {
    let zero_copy_sends = Some(ZeroCopySends { threshold: THRESHOLD, to_this_host });
    let harness = Harness::with(&Options { zero_copy_sends, ..Options::default() });
    harness.uses("sends without a copy").then_some(harness)
}

/// Reads so many bytes on another thread, and gives them.
fn read_on_a_thread(mut socket: TcpStream, count: usize) -> thread::JoinHandle<(Vec<u8>, TcpStream)> {
    thread::spawn(move || {
        let mut bytes = vec![0; count];
        socket.read_exact(&mut bytes).unwrap();
        (bytes, socket)
    })
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number / 7) as u8).collect()
}

#[test]
fn what_is_sent_without_a_copy_arrives_and_ends_once() {
    skip_unless_selected!();
    let Some(mut h) = harness(true) else { return };
    let (client, server) = tcp_pair();
    let bytes = pattern(LONG);
    let reader = read_on_a_thread(server, LONG);
    let Op::Send { fd, pointer, length, .. } = send(&client, &bytes) else { unreachable!() };
    let sent = h.run(Op::Send { fd, pointer, length, flags: libc::MSG_WAITALL }).unwrap();
    assert_eq!(sent as usize, LONG);
    assert!(reader.join().unwrap().0 == bytes);
    assert_eq!((h.driver.in_flight(), h.driver.stale_completions()), (0, 0));
    let counts = h.driver.statistics();
    // A kernel that cannot tell whether it has copied refuses, and the send is made with a copy.
    assert_eq!(counts.zero_copy_sends + counts.zero_copy_refusals, 1, "{counts:?}");
    assert_eq!(counts.zero_copy_copied, counts.zero_copy_sends, "{counts:?}");
}

#[test]
fn where_the_kernel_copies_all_the_same_it_is_not_tried_again_until_the_socket_is_another() {
    skip_unless_selected!();
    let Some(mut h) = harness(true) else { return };
    let (client, server) = tcp_pair();
    let bytes = pattern(THRESHOLD);
    let reader = read_on_a_thread(server, 3 * THRESHOLD);
    h.run(send(&client, &bytes)).unwrap();
    let before = h.driver.statistics();
    h.run(send(&client, &bytes)).unwrap();
    assert_eq!(h.driver.statistics().zero_copy_sends, before.zero_copy_sends);
    h.driver.forget(client.as_raw_fd());
    h.run(send(&client, &bytes)).unwrap();
    assert!(h.driver.statistics().zero_copy_sends > before.zero_copy_sends || before.zero_copy_sends == 0);
    reader.join().unwrap();
}

#[test]
fn short_sends_and_sockets_of_this_host_and_of_other_kinds_are_copied() {
    skip_unless_selected!();
    let Some(mut h) = harness(true) else { return };
    let (client, server) = tcp_pair();
    let reader = read_on_a_thread(server, THRESHOLD - 1);
    h.run(send(&client, &pattern(THRESHOLD - 1))).unwrap();
    let (unix, _other) = pair();
    h.run(send(&unix, &pattern(THRESHOLD))).unwrap();
    reader.join().unwrap();
    assert_eq!(h.driver.statistics().zero_copy_sends, 0);
    let Some(mut h) = harness(false) else { return };
    let (client, server) = tcp_pair();
    let reader = read_on_a_thread(server, THRESHOLD);
    h.run(send(&client, &pattern(THRESHOLD))).unwrap();
    reader.join().unwrap();
    assert_eq!(h.driver.statistics().zero_copy_sends, 0);
}

#[test]
fn a_send_that_is_cancelled_has_one_completion_which_tells_what_was_sent() {
    skip_unless_selected!();
    let Some(mut h) = harness(true) else { return };
    let (client, server) = tcp_pair();
    // More than the kernel takes as long as nobody reads.
    let bytes = pattern(32 << 20);
    let Op::Send { fd, pointer, length, .. } = send(&client, &bytes) else { unreachable!() };
    let token = h.submit(Op::Send { fd, pointer, length, flags: libc::MSG_WAITALL });
    h.turn();
    h.driver.cancel(token);
    let sent = thread::spawn(move || {
        let mut server = server;
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        all
    });
    let completion = h.next(token);
    assert!(completion.is_final(), "{completion:?}");
    client.shutdown(std::net::Shutdown::Both).unwrap();
    let count = completion.result().unwrap_or(0) as usize;
    let arrived = sent.join().unwrap();
    assert!(arrived == bytes[..count], "{} bytes arrived and {count} were told", arrived.len());
    assert_eq!((h.driver.in_flight(), h.driver.stale_completions()), (0, 0));
}

#[test]
fn a_send_that_is_cancelled_before_it_is_handed_over_never_happens() {
    skip_unless_selected!();
    let Some(mut h) = harness(true) else { return };
    let (client, _server) = tcp_pair();
    let bytes = pattern(THRESHOLD);
    let token = h.submit(send(&client, &bytes));
    h.driver.cancel(token);
    assert_eq!(h.next(token).result, -libc::ECANCELED);
    assert_eq!((h.driver.in_flight(), h.driver.statistics().zero_copy_sends), (0, 0));
}

#[test]
fn a_send_to_a_lost_peer_fails_and_ends() {
    skip_unless_selected!();
    let Some(mut h) = harness(true) else { return };
    let (client, server) = tcp_pair();
    let bytes = pattern(LONG);
    let token = {
        let Op::Send { fd, pointer, length, .. } = send(&client, &bytes) else { unreachable!() };
        h.submit(Op::Send { fd, pointer, length, flags: libc::MSG_WAITALL })
    };
    h.turn();
    drop(server);
    assert!(h.next(token).is_final());
    // By then the reset has come.
    assert!(h.run(send(&client, &bytes)).is_err());
    assert_eq!((h.driver.in_flight(), h.driver.stale_completions()), (0, 0));
}
