//! Runs in which the operating system does all that it may.

use super::Builder;
use crate::runtime::backend::Disturbance;
use anyio_chaos::Chaos;

impl Builder {
    /// Has the operating system seem to do, by a seed, all that it may do to the operations of the run: answers that are
    /// late, transfers that are short, cancellations that come too late, errors. For tests; with the feature `chaos`.
    ///
    /// The run fails with a [`Missed`](crate::testing::chaos::Missed) if something was asked for that has not happened.
    ///
    /// ```
    /// use anyio::{Builder, testing::chaos::{Chaos, Fault}};
    ///
    /// let chaos = Chaos::seed(7).unnoticed();
    /// let text = Builder::new().chaos(chaos.clone()).run(async || {
    ///     let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    ///     let path = folder.path().join("numbers");
    ///     path.write_text("0123456789".repeat(10_000)).await?;
    ///     path.read_text().await
    /// })??;
    /// assert_eq!(text.len(), 100_000);
    /// println!("{}", chaos.report());
    /// # anyio::Ok(())
    /// ```
    #[must_use]
    pub fn chaos(mut self, chaos: Chaos) -> Self {
        self.disturbance.chaos = Some(chaos);
        self
    }

    /// Has ready tasks polled in an order that depends on this seed, in place of that in which they were woken; so a
    /// program that counts on an order shows it. Tasks of different groups, and those that were woken by the operating
    /// system and by other tasks, stay apart as they do without. For tests; with the feature `chaos`.
    #[must_use]
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.disturbance.shuffle = Some(seed);
        self
    }

    /// How the run is disturbed.
    pub(crate) fn disturbance(&self) -> &Disturbance {
        &self.disturbance
    }
}
