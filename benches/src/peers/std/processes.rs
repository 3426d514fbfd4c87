//! Processes of the standard library.

use std::process::Command;

use anyhow::ensure;

use super::{block_on, in_threads};
use crate::measuring::{
    amounts::{DEPTH, PROGRAM, shares},
    job::{Job, Order},
    stopwatch::{Measured, measure},
};

pub(super) const JOBS: &[(&str, Job)] =
    &[("one", |order| processes(order, 1)), ("sixteen", |order| processes(order, DEPTH))];

fn processes(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    block_on(measure(order.operations, async |count| {
        in_threads(shares(count, depth), |_, share| {
            for _ in 0..share {
                ensure!(Command::new(PROGRAM).status()?.success());
            }
            Ok(())
        })
    }))
}
