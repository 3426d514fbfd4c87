//! Cancelling tasks of tokio: a `JoinSet` is shut down.

use std::{future::Future, io, sync::Arc};

use tokio::{net::UnixStream, sync::Notify, task::JoinSet, time::sleep};

use super::runtime;
use crate::measuring::{
    amounts::{BUFFER_BYTES, LONG},
    arrivals::{Arrivals, SETTLE},
    job::{Job, Order},
    socket_pairs::socket_pairs,
    stopwatch::{Measured, Stopwatch},
};

pub(super) const JOBS: &[(&str, Job)] = &[
    ("receives", receives),
    // Bytes always come into buffers of one's own.
    ("receives-into", receives),
    ("timers", timers),
    ("events", events),
];

/// Starts what waits for ever, and takes the time that its cancellation takes.
async fn cancel<F>(operations: u64, mut wait: impl FnMut() -> F) -> anyhow::Result<Measured>
where
    F: Future<Output = ()> + Send + 'static,
{
    let arrivals = Arrivals::default();
    let mut tasks = JoinSet::new();
    for _ in 0..operations {
        let (arrivals, wait) = (arrivals.clone(), wait());
        tasks.spawn(async move {
            arrivals.arrive();
            wait.await;
        });
    }
    arrivals.reach(operations).await;
    sleep(SETTLE).await;
    let stopwatch = Stopwatch::start()?;
    tasks.shutdown().await;
    Ok(stopwatch.stop(operations)?)
}

fn receives(order: &Order) -> anyhow::Result<Measured> {
    let (sockets, _others): (Vec<_>, Vec<_>) = socket_pairs(order.operations)?.into_iter().unzip();
    runtime()?.block_on(async {
        let streams: Result<Vec<_>, _> =
            sockets.into_iter().map(|socket| UnixStream::from_std(socket).map(Arc::new)).collect();
        let streams = streams?;
        let mut next = streams.iter();
        cancel(order.operations, || {
            let stream = next.next().cloned();
            async move {
                if let Some(stream) = stream {
                    let _ = receive(&stream).await;
                }
            }
        })
        .await
    })
}

async fn receive(stream: &UnixStream) -> io::Result<usize> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

pub(super) fn timers(order: &Order) -> anyhow::Result<Measured> {
    runtime()?.block_on(cancel(order.operations, || sleep(LONG)))
}

fn events(order: &Order) -> anyhow::Result<Measured> {
    let event = Arc::new(Notify::new());
    runtime()?.block_on(cancel(order.operations, || {
        let event = Arc::clone(&event);
        async move { event.notified().await }
    }))
}
