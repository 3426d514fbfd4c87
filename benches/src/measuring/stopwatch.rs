//! Elapsed and processor time of a stretch of work in this process.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::measuring::measure::CpuClock;

/// One stretch of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    /// Of all threads of the process.
    pub(crate) cpu: Duration,
}

/// Runs from its making to [`stop`](Self::stop).
pub(crate) struct Stopwatch {
    clock: CpuClock,
    cpu: Duration,
    began: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> io::Result<Self> {
        let clock = CpuClock::of(std::process::id())?;
        let cpu = clock.now()?;
        Ok(Self { clock, cpu, began: Instant::now() })
    }

    pub(crate) fn stop(self, operations: u64) -> io::Result<Measured> {
        let elapsed = self.began.elapsed();
        Ok(Measured { operations, elapsed, cpu: self.clock.now()? - self.cpu })
    }
}

/// Runs a row's work: an eighth of it to warm up, then all of it by the clock.
pub(crate) async fn measure<E>(
    operations: u64,
    mut work: impl AsyncFnMut(u64) -> Result<(), E>,
) -> anyhow::Result<Measured>
where
    anyhow::Error: From<E>,
{
    work(operations.div_ceil(8)).await?;
    let stopwatch = Stopwatch::start()?;
    work(operations).await?;
    Ok(stopwatch.stop(operations)?)
}
