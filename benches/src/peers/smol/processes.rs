//! Processes of smol.

use anyhow::ensure;
use futures_util::future::join_all;
use smol::process::Command;

use super::{run, spawn};
use crate::measuring::{
    amounts::{DEPTH, PROGRAM, shares},
    job::{Job, Order},
    stopwatch::Measured,
};

pub(super) const JOBS: &[(&str, Job)] =
    &[("one", |order| processes(order, 1)), ("sixteen", |order| processes(order, DEPTH))];

fn processes(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let tasks = shares(count, depth).map(|share| {
            spawn(async move {
                for _ in 0..share {
                    ensure!(Command::new(PROGRAM).status().await?.success());
                }
                anyhow::Ok(())
            })
        });
        for ended in join_all(tasks.collect::<Vec<_>>()).await {
            ended?;
        }
        Ok(())
    })
}
