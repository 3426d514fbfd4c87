//! What the network says of a datagram that was sent before. The system tells it to whoever uses the socket next.

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
