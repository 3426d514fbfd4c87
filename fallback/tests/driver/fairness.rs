//! How much one turn does for some before the caller can see to others.

use crate::harness::Harness;
use anyio_driver::{Driver, Op, Token, Wait};
use std::os::{fd::AsRawFd, unix::net::UnixDatagram};

const CONNECTIONS: usize = 250;

/// How many small messages wait at each connection.
const MESSAGES: usize = 8;

/// How many small receives fill a turn: it has 32 KiB, of which each counts for one at least.
const IN_A_TURN: usize = 32;

/// A receiver with messages to come, or that have come and wait.
struct Connection {
    near: UnixDatagram,
    far: UnixDatagram,
    waiting: Token,
    received: usize,
}

impl Connection {
    fn new(harness: &mut Harness) -> Self {
        let (near, far) = UnixDatagram::pair().unwrap();
        let waiting = harness.submit(Op::ReceivePooled { fd: near.as_raw_fd() });
        Self { near, far, waiting, received: 0 }
    }

    /// Takes what a turn has brought, and then what is there, as a task does that goes on in the same poll.
    fn receive_all(&mut self, harness: &mut Harness) {
        let mut next = harness.take(self.waiting);
        while let Some(completion) = next {
            assert_eq!(harness.chunk(completion), b"small");
            self.received += 1;
            self.waiting = harness.submit(Op::ReceivePooled { fd: self.near.as_raw_fd() });
            next = harness.take_answer(self.waiting);
        }
    }
}

#[test]
fn a_flood_of_small_messages_is_received_a_few_connections_a_turn() {
    let mut harness = Harness::new();
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::new(&mut harness)).collect();
    let mut late = Connection::new(&mut harness);
    harness.turn(Wait::No);
    for connection in &connections {
        for _ in 0..MESSAGES {
            connection.far.send(b"small").unwrap();
        }
    }
    let mut turns = 0;
    while connections.iter().any(|connection| connection.received == 0) {
        let completed = harness.turn(Wait::No);
        turns += 1;
        assert!(completed <= IN_A_TURN, "{completed} in turn {turns}");
        assert!(turns <= CONNECTIONS.div_ceil(IN_A_TURN) + 1, "connections are left waiting");
        for connection in &mut connections {
            connection.receive_all(&mut harness);
        }
        if turns == 1 {
            late.far.send(b"small").unwrap();
        }
    }
    // It came after all others had something, so it is its turn now.
    if harness.turn(Wait::No) == 0 {
        harness.turn(Wait::No);
    }
    late.receive_all(&mut harness);
    assert_eq!(late.received, 1);
    for connection in connections.iter().chain([&late]) {
        harness.driver.cancel(connection.waiting);
    }
    while harness.driver.in_flight() > 0 {
        harness.turn(Wait::No);
    }
    assert!(connections.iter().all(|connection| connection.received == MESSAGES));
}

#[test]
fn large_receives_fill_a_turn_by_their_bytes() {
    const LARGE: usize = 12 * 1024;
    let mut harness = Harness::new();
    let mut pairs = Vec::new();
    for _ in 0..10 {
        let (near, far) = UnixDatagram::pair().unwrap();
        let token = harness.submit(Op::ReceivePooled { fd: near.as_raw_fd() });
        pairs.push((near, far, token));
    }
    harness.turn(Wait::No);
    for (_, far, _) in &pairs {
        far.send(&[7; LARGE]).unwrap();
    }
    // 12, 24 and 36 KiB: the third is the one that is too much.
    let counts: Vec<_> = (0..4).map(|_| harness.turn(Wait::No)).collect();
    assert_eq!(counts, [3, 3, 3, 1]);
    for (_, _, token) in pairs {
        let completion = harness.take(token).unwrap();
        assert_eq!(harness.chunk(completion).len(), LARGE);
    }
}
