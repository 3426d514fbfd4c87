//! Cancelling children of one task group of anyio.

use std::cell::Cell;

use anyhow::Context;
use anyio::{Backend, Builder, Result, net::UnixStream, sleep, sync::Event, task_group};

use super::jobs;
use crate::measuring::{
    amounts::{BUFFER_BYTES, LONG},
    arrivals::{Arrivals, SETTLE},
    job::{Job, Order},
    socket_pairs::socket_pairs,
    stopwatch::{Measured, Stopwatch},
};

macro_rules! all_jobs {
    ($backend:expr) => {
        jobs! { $backend;
            "receives" => receives,
            "receives-into" => receives_into,
            "timers" => timers,
            "events" => events,
        }
    };
}

pub(super) const URING: &[(&str, Job)] = all_jobs!(Backend::Uring);
pub(super) const POLL: &[(&str, Job)] = all_jobs!(Backend::Poll);

/// Starts what waits for ever, and takes the time that its cancellation takes.
async fn cancel(operations: u64, wait: impl AsyncFn(usize) -> Result<()>) -> anyhow::Result<Measured> {
    let stopwatch = Cell::new(None);
    let arrivals = Arrivals::default();
    task_group(async |tg| -> Result<()> {
        for number in 0..operations as usize {
            let (arrivals, wait) = (&arrivals, &wait);
            tg.start_soon(async move {
                arrivals.arrive();
                wait(number).await
            });
        }
        arrivals.reach(operations).await;
        sleep(SETTLE).await?;
        stopwatch.set(Some(Stopwatch::start()?));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(stopwatch.take().context("nothing was cancelled")?.stop(operations)?)
}

fn run(backend: Backend, order: &Order, wait: impl AsyncFn(usize) -> Result<()>) -> anyhow::Result<Measured> {
    Builder::new().backend(backend).run(async || cancel(order.operations, wait).await)?
}

fn run_with_streams(
    backend: Backend,
    order: &Order,
    wait: impl AsyncFn(&UnixStream) -> Result<()>,
) -> anyhow::Result<Measured> {
    let (sockets, _others): (Vec<_>, Vec<_>) = socket_pairs(order.operations)?.into_iter().unzip();
    Builder::new().backend(backend).run(async || {
        let streams: Result<Vec<_>> =
            sockets.into_iter().map(|socket| UnixStream::from_owned(socket.into())).collect();
        let streams = streams?;
        cancel(order.operations, async |number: usize| wait(&streams[number]).await).await
    })?
}

fn receives(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run_with_streams(backend, order, async |stream| stream.receive().await.map(drop))
}

fn receives_into(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run_with_streams(backend, order, async |stream| {
        stream.receive_into(vec![0; BUFFER_BYTES]).await.0.map(drop)
    })
}

pub(super) fn timers(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |_| Ok(sleep(LONG).await?))
}

fn events(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    let event = Event::new();
    run(backend, order, async |_| Ok(event.wait().await?))
}
