//! Cancelling tasks of smol.

use std::{future::Future, io, rc::Rc};

use futures_util::future::join_all;
use smol::{Async, channel::bounded, io::AsyncReadExt};

use super::{block_on, sleep, spawn};
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
    ("events", events),
];

cancel_by_handle!();

fn receives(order: &Order) -> anyhow::Result<Measured> {
    let (sockets, _others): (Vec<_>, Vec<_>) = socket_pairs(order.operations)?.into_iter().unzip();
    block_on(async {
        let streams: io::Result<Vec<_>> =
            sockets.into_iter().map(|socket| Async::new(socket).map(Rc::new)).collect();
        let streams = streams?;
        let mut next = streams.iter();
        cancel(order.operations, || {
            let stream = next.next().cloned();
            async move {
                if let Some(stream) = stream {
                    let _ = (&*stream).read(&mut vec![0; BUFFER_BYTES]).await;
                }
            }
        })
        .await
    })
}

pub(super) fn timers(order: &Order) -> anyhow::Result<Measured> {
    block_on(cancel(order.operations, || async {
        sleep(LONG).await;
    }))
}

/// There is no event: all wait for one channel.
fn events(order: &Order) -> anyhow::Result<Measured> {
    let (_sender, receiver) = bounded::<()>(1);
    block_on(cancel(order.operations, || {
        let receiver = receiver.clone();
        async move {
            let _ = receiver.recv().await;
        }
    }))
}
