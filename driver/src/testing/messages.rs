//! What tests of drivers share that receive messages.

use crate::{Chunk, Completion, CompletionFlags, Driver, MessageHead, MessageLayout};
use libc::msghdr;
use std::net::UdpSocket;

/// The room that such tests leave.
pub const LAYOUT: MessageLayout = MessageLayout { name: 32, control: 64 };

/// What an operation is to leave room for.
pub fn room(layout: MessageLayout) -> Box<msghdr> {
    // SAFETY: all zeroes is a message without anything.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_namelen = layout.name as _;
    message.msg_controllen = layout.control as _;
    Box::new(message)
}

/// Two sockets, the first of which sends to the second.
///
/// # Panics
/// If there are none to be had.
pub fn sockets() -> (UdpSocket, UdpSocket) {
    let bind = || UdpSocket::bind("127.0.0.1:0").expect("the system has ports left");
    let (one, other) = (bind(), bind());
    one.connect(other.local_addr().expect("it is bound")).expect("this is possible on one host");
    (one, other)
}

/// The chunk that a completion names, which holds a message.
///
/// # Panics
/// If it names none.
pub fn take_chunk(driver: &mut impl Driver, completion: Completion) -> Chunk {
    assert!(completion.flags.contains(CompletionFlags::BUFFER), "{completion:?}");
    assert!(completion.buffer.is_message());
    driver.take_buffer(completion.buffer, completion.result as usize)
}

/// What a completion has brought for which there was [`LAYOUT`]: the lengths, and the bytes.
///
/// # Panics
/// If it has brought no message.
pub fn take(driver: &mut impl Driver, completion: Completion) -> (MessageHead, Vec<u8>) {
    let chunk = take_chunk(driver, completion);
    let head = MessageHead::read(&chunk).expect("a message begins with a head");
    (head, chunk[LAYOUT.payload_offset()..].to_vec())
}
