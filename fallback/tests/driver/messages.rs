//! Receiving messages, several at once.

use crate::harness::Harness;
use anyio_driver::{
    Completion, Driver, LONGEST_MESSAGE, MessageLayout, Op, Token, Wait,
    testing::messages::{LAYOUT, room, sockets, take},
};
use std::os::fd::AsRawFd;

/// All completions of one receive, in order.
fn all(h: &mut Harness, token: Token) -> Vec<Completion> {
    let mut completions = Vec::new();
    while completions.last().is_none_or(|last: &Completion| !last.is_final()) {
        h.driver.turn(Wait::Forever, &mut completions).unwrap();
    }
    assert!(completions.iter().all(|completion| completion.token == token));
    h.release(token);
    completions
}

#[test]
fn what_is_there_comes_at_once_in_order() {
    let mut h = Harness::new();
    let (one, other) = sockets();
    let room = room(LAYOUT);
    let mut next = 0;
    let mut sizes = Vec::new();
    for number in 0..100_u32 {
        one.send(&number.to_be_bytes()).unwrap();
    }
    while next < 100 {
        let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
        let completions = all(&mut h, token);
        sizes.push(completions.len());
        for completion in completions {
            let (head, payload) = take(&mut h.driver, completion);
            assert_eq!(payload, u32::to_be_bytes(next));
            assert_eq!((head.payload_length, head.control_length), (4, 0));
            assert!(head.name_length >= 8);
            next += 1;
        }
    }
    if cfg!(target_os = "linux") {
        assert_eq!(sizes, [2, 4, 8, 16, 32, 32, 6], "more and more, as long as there are more");
    }
}

#[test]
fn a_single_message_is_the_answer_at_once_and_of_several_none_overtakes() {
    let mut h = Harness::new();
    let (one, other) = sockets();
    let room = room(LAYOUT);
    one.send(b"only").unwrap();
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    let answer = h.take_answer(token).unwrap();
    assert_eq!(take(&mut h.driver, answer).1, b"only");
    one.send(b"one").unwrap();
    one.send(b"two").unwrap();
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    // The driver does not know yet that there is something to read, or has both.
    assert!(h.take_answer(token).is_none());
    let completions = all(&mut h, token);
    let messages: Vec<_> =
        completions.into_iter().map(|completion| take(&mut h.driver, completion).1).collect();
    assert_eq!(messages, [b"one", b"two"]);
}

#[test]
fn an_empty_message_is_a_message_and_a_long_one_is_told_to_be_cut() {
    let mut h = Harness::new();
    let (one, other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let room = room(LAYOUT);
    one.send(&[]).unwrap();
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    let completion = all(&mut h, token)[0];
    let (head, payload) = take(&mut h.driver, completion);
    assert_eq!((head.payload_length, payload.len()), (0, 0));
    if one.send(&vec![7; LONGEST_MESSAGE + 10_000]).is_err() {
        return;
    }
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*room });
    let completion = all(&mut h, token)[0];
    let (head, payload) = take(&mut h.driver, completion);
    assert_ne!(head.flags & libc::MSG_TRUNC as u32, 0);
    assert!(payload.len() >= LONGEST_MESSAGE, "{}", payload.len());
}

#[test]
fn a_receive_of_messages_that_waits_is_withdrawn_and_room_that_is_not_there_refused() {
    let mut h = Harness::new();
    let (unread, other) = sockets();
    let fits = room(LAYOUT);
    let token = h.submit(Op::ReceiveMessages { fd: other.as_raw_fd(), message: &*fits });
    assert!(!h.is_done(token));
    h.driver.cancel(token);
    assert!(h.is_cancelled(token));
    let too_large = room(MessageLayout { name: 0, control: 1 << 20 });
    assert_eq!(h.error(Op::ReceiveMessages { fd: unread.as_raw_fd(), message: &*too_large }), libc::EINVAL);
}
