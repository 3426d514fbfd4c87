//! What the network says of a datagram that was sent before. The system tells it to whoever uses the socket next.

use crate::{error::Error, runtime::Refusal};
use std::io::ErrorKind;

/// Whether it is an error of which an ICMP message told.
pub(super) fn is_of_the_network(number: i32) -> bool {
    matches!(
        number,
        libc::ECONNREFUSED
            | libc::ECONNRESET
            | libc::EHOSTUNREACH
            | libc::EHOSTDOWN
            | libc::ENETUNREACH
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EPROTO
            | libc::EMSGSIZE
    )
}

/// The error of what a socket of datagrams was refused. That there is no way to some receiver breaks a stream, and no such
/// socket.
#[cold]
pub(super) fn error_of(refusal: Refusal, operation: &'static str) -> Error {
    match refusal.on_stream(operation) {
        Error::BrokenResource(error)
            if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) =>
        {
            Error::Io(error)
        }
        error => error,
    }
}
