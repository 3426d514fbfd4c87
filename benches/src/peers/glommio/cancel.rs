//! Cancelling tasks of glommio.
//!
//! The unsafe block gives a descriptor to a stream that nobody else owns.

use std::{
    cell::RefCell,
    future::Future,
    os::fd::{FromRawFd, IntoRawFd},
    rc::Rc,
};

use futures_util::{AsyncReadExt, future::join_all};
use glommio::{net::UnixStream, spawn_local as spawn, timer::sleep};

use super::block_on;
use crate::{
    measuring::{
        amounts::{BUFFER_BYTES, LONG},
        arrivals::{Arrivals, SETTLE},
        job::{Job, Order},
        socket_pairs::socket_pairs,
        stopwatch::{Measured, Stopwatch},
    },
    peers::plain_jobs::cancel_by_handle,
};

pub(super) const JOBS: &[(&str, Job)] = &[
    ("receives", receives),
    // Bytes always come into buffers of one's own.
    ("receives-into", receives),
    ("timers", timers),
];

cancel_by_handle!();

fn receives(order: &Order) -> anyhow::Result<Measured> {
    let (sockets, _others): (Vec<_>, Vec<_>) = socket_pairs(order.operations)?.into_iter().unzip();
    block_on(async {
        let stream = |socket: std::os::unix::net::UnixStream| {
            // SAFETY: the descriptor was just given up by its only owner.
            Rc::new(RefCell::new(unsafe { UnixStream::from_raw_fd(socket.into_raw_fd()) }))
        };
        let streams: Vec<_> = sockets.into_iter().map(stream).collect();
        let mut next = streams.iter();
        cancel(order.operations, || receive(next.next().cloned())).await
    })
}

#[expect(clippy::await_holding_refcell_ref, reason = "only one task borrows each stream")]
async fn receive(stream: Option<Rc<RefCell<UnixStream>>>) {
    if let Some(stream) = stream {
        let _ = stream.borrow_mut().read(&mut vec![0; BUFFER_BYTES]).await;
    }
}

pub(super) fn timers(order: &Order) -> anyhow::Result<Measured> {
    block_on(cancel(order.operations, || sleep(LONG)))
}
