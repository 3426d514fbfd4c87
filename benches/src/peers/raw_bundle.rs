//! The ring loop with multishot receives that take several small buffers at once (Linux 6.10).
//!
//! Contract of the unsafe code: a socket is closed only when its receive has ended and none of its sends is in flight. A
//! buffer that a completion brought belongs to its connection until it was sent or thrown away, and only then goes back
//! to the kernel. The buffers' memory is leaked (see `buffer_ring`); what describes a send lies in the connection, which
//! leaves it alone until the send's completion. Should the loop end with an error, its connections are leaked.

mod bundles;
mod connection;

use std::{
    mem::ManuallyDrop,
    net::{Ipv4Addr, TcpListener},
    os::fd::AsRawFd,
};

use anyhow::Context;
use io_uring::{cqueue, opcode, types::Fd};

use self::{bundles::Bundles, connection::Connection};
use super::Peer;
use crate::measuring::{
    ready::Ready,
    submissions::{Submissions, ring},
};

pub(crate) static PEER: Peer = Peer {
    name: "raw-bundle",
    about: "io_uring by hand, multishot receives of several small buffers at once",
    packages: &["io-uring"],
    by_hand: true,
    servers: &[("echo", echo)],
    jobs: &[],
};

const ACCEPT: u64 = u64::MAX;
/// Marks a send in the user data; the rest is the connection's place.
const SEND: u64 = 1 << 32;

fn echo(ready: Ready) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    ready.listening_on(listener.local_addr()?)?;
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut buffers = Bundles::register(&submitter)?;
    let mut submissions = Submissions::new(submitter, queue);
    // The connections' places are their descriptors' numbers.
    let mut connections: ManuallyDrop<Vec<Option<Connection>>> = ManuallyDrop::new(Vec::new());
    // Connections whose receive ended because no buffer was left.
    let mut starved: Vec<usize> = Vec::new();

    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    // SAFETY: an accept without an address names no memory; the listener lives as long as the loop.
    unsafe { submissions.push(&accept)? };
    loop {
        submissions.turn()?;
        completions.sync();
        for completion in &mut completions {
            let (data, result, flags) = (completion.user_data(), completion.result(), completion.flags());
            if data == ACCEPT {
                let connection = Connection::accepted(result)?;
                let place = connection.socket.as_raw_fd() as usize;
                if connections.len() <= place {
                    connections.resize_with(place + 1, || None);
                }
                let receive = connections[place].insert(connection).receive();
                // SAFETY: the buffers are leaked; the socket stays open until the receive ended.
                unsafe { submissions.push(&receive)? };
                if !cqueue::more(flags) {
                    // SAFETY: as for the first accept.
                    unsafe { submissions.push(&accept)? };
                }
                continue;
            }
            let place = (data & !SEND) as usize;
            let connection = connections[place].as_mut().context("a completion for a closed connection")?;
            if data & SEND != 0 {
                connection.sent(result, &mut buffers);
            } else {
                connection.receiving = cqueue::more(flags);
                if let (Some(first), 1..) = (cqueue::buffer_select(flags), result) {
                    connection.take(first, result as u32, &mut buffers);
                }
                if result == -libc::ENOBUFS {
                    starved.push(place);
                } else if result <= 0 {
                    connection.ended = true;
                } else if !connection.receiving && !connection.ended {
                    let receive = connection.receive();
                    // SAFETY: as for the first receive.
                    unsafe { submissions.push(&receive)? };
                }
            }
            if let Some(send) = connection.send(&buffers) {
                // SAFETY: the connection keeps the buffers and what describes them until the completion.
                unsafe { submissions.push(&send)? };
            }
            if connection.is_over() {
                connections[place] = None;
            }
        }
        if !buffers.publish() {
            continue;
        }
        for place in starved.drain(..) {
            if let Some(connection) = connections[place].as_mut().filter(|it| !it.ended && !it.receiving) {
                let receive = connection.receive();
                // SAFETY: as for the first receive.
                unsafe { submissions.push(&receive)? };
            }
        }
    }
}
