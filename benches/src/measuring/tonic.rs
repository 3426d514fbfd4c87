//! What servers by tonic answer, so that only what surrounds it differs, and the bytes of that.

use prost::Message;

use greeter::{HelloReply, HelloRequest};

#[allow(missing_docs, unreachable_pub, dead_code, reason = "it is generated")]
#[path = "../../../ecosystem/tonic/proto/greeter.rs"]
pub(crate) mod greeter;

/// How many messages answer one that asks for many.
pub(crate) const MESSAGES: u32 = 100;

/// Who is greeted.
pub(crate) const NAME: &str = "Ada";

/// The answer of this number.
pub(crate) fn reply(name: &str, number: u32) -> HelloReply {
    HelloReply { message: format!("Hello, {name}!"), number, padding: Vec::new() }
}

/// The compressed head and the body of a call.
pub(crate) fn call(method: &str, name: &str, times: u32) -> (Vec<u8>, Vec<u8>) {
    // `POST` and `http` are in the static table, and so are the names up to `te`. The values are not to be remembered.
    let mut head = b"\x83\x86\x04".to_vec();
    push_string(&mut head, &format!("/greeter.Greeter/{method}"));
    head.push(0x01);
    push_string(&mut head, "127.0.0.1:8080");
    head.extend_from_slice(b"\x0f\x10");
    push_string(&mut head, "application/grpc");
    head.push(0x00);
    push_string(&mut head, "te");
    push_string(&mut head, "trailers");
    (head, framed(&HelloRequest { name: name.to_owned(), times, padding: Vec::new() }))
}

/// The body of an answer of so many messages.
pub(crate) fn answer(messages: u32) -> Vec<u8> {
    (1..=messages).flat_map(|number| framed(&reply(NAME, number))).collect()
}

/// A string of less than 127 bytes, without Huffman's code.
fn push_string(head: &mut Vec<u8>, text: &str) {
    head.push(text.len() as u8);
    head.extend_from_slice(text.as_bytes());
}

/// A message that is not compressed, behind its length.
fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat()
}
