//! Cancelling tasks of compio by their handles.

use std::{future::Future, io};

use compio::{io::AsyncRead, net::UnixStream, runtime::spawn, time::sleep};
use futures_util::future::join_all;

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
    // Bytes come into buffers of one's own here.
    ("receives-into", receives),
    ("timers", timers),
];

cancel_by_handle!();

fn receives(order: &Order) -> anyhow::Result<Measured> {
    let (sockets, _others): (Vec<_>, Vec<_>) = socket_pairs(order.operations)?.into_iter().unzip();
    block_on(async {
        let streams: io::Result<Vec<_>> = sockets.into_iter().map(UnixStream::from_std).collect();
        let streams = streams?;
        let mut next = streams.iter();
        cancel(order.operations, || {
            let stream = next.next().cloned();
            async move {
                if let Some(mut stream) = stream {
                    let _ = stream.read(vec![0; BUFFER_BYTES]).await;
                }
            }
        })
        .await
    })
}

pub(super) fn timers(order: &Order) -> anyhow::Result<Measured> {
    block_on(cancel(order.operations, || sleep(LONG)))
}
