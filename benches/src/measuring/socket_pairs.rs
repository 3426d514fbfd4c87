//! Sockets to wait at in vain.

use std::{io, os::unix::net::UnixStream};

/// Connected pairs, not blocking. Nothing ever arrives at the first of each as long as the second lives.
pub(crate) fn socket_pairs(count: u64) -> io::Result<Vec<(UnixStream, UnixStream)>> {
    (0..count)
        .map(|_| {
            let (socket, other) = UnixStream::pair()?;
            socket.set_nonblocking(true)?;
            Ok((socket, other))
        })
        .collect()
}
