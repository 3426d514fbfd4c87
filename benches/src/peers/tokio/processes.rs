//! Processes of tokio.

use anyhow::ensure;
use tokio::{process::Command, task::JoinSet};

use super::run;
use crate::measuring::{
    amounts::{DEPTH, PROGRAM, shares},
    job::{Job, Order},
    stopwatch::Measured,
};

pub(super) const JOBS: &[(&str, Job)] =
    &[("one", |order| processes(order, 1)), ("sixteen", |order| processes(order, DEPTH))];

fn processes(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let mut tasks = JoinSet::new();
        for share in shares(count, depth) {
            tasks.spawn(async move {
                for _ in 0..share {
                    ensure!(Command::new(PROGRAM).status().await?.success());
                }
                Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    })
}
