//! Cancelling receives of monoio, with one canceller for all. Its tasks cannot be cancelled.

use std::io;

use monoio::{
    io::{CancelableAsyncReadRent, Canceller},
    net::UnixStream,
    spawn,
    time::sleep,
};

use super::block_on;
use crate::measuring::{
    amounts::BUFFER_BYTES,
    arrivals::{Arrivals, SETTLE},
    job::{Job, Order},
    socket_pairs::socket_pairs,
    stopwatch::{Measured, Stopwatch},
};

pub(super) const JOBS: &[(&str, Job)] = &[
    ("receives", receives),
    // Bytes always come into buffers of one's own.
    ("receives-into", receives),
];

fn receives(order: &Order) -> anyhow::Result<Measured> {
    let (sockets, _others): (Vec<_>, Vec<_>) = socket_pairs(order.operations)?.into_iter().unzip();
    block_on(async {
        let arrivals = Arrivals::default();
        let canceller = Canceller::new();
        let streams: io::Result<Vec<_>> = sockets.into_iter().map(UnixStream::from_std).collect();
        let mut tasks = Vec::new();
        for mut stream in streams? {
            let (arrivals, handle) = (arrivals.clone(), canceller.handle());
            tasks.push(spawn(async move {
                arrivals.arrive();
                let received = stream.cancelable_read(vec![0; BUFFER_BYTES], handle).await;
                (received, stream)
            }));
        }
        // A main future that only yields keeps the tasks from running here.
        while !arrivals.are(order.operations) {
            sleep(SETTLE).await;
        }
        sleep(SETTLE).await;
        let stopwatch = Stopwatch::start()?;
        let _next = canceller.cancel();
        let mut ended = Vec::with_capacity(tasks.len());
        for task in tasks {
            ended.push(task.await);
        }
        Ok(stopwatch.stop(order.operations)?)
    })
}
