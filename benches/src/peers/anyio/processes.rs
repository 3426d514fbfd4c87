//! Processes of anyio.

use anyio::{Backend, Result, process::Command, task_group};

use super::run;
use crate::measuring::{
    amounts::{DEPTH, PROGRAM, shares},
    job::{Job, Order},
    stopwatch::Measured,
};

pub(super) const URING: &[(&str, Job)] = &[
    ("one", |order| processes(Backend::Uring, order, 1)),
    ("sixteen", |order| processes(Backend::Uring, order, DEPTH)),
];
pub(super) const POLL: &[(&str, Job)] = &[
    ("one", |order| processes(Backend::Poll, order, 1)),
    ("sixteen", |order| processes(Backend::Poll, order, DEPTH)),
];

fn processes(backend: Backend, order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        task_group(async |tg| -> Result<()> {
            for share in shares(count, depth) {
                tg.start_soon(async move {
                    for _ in 0..share {
                        let status = Command::new(PROGRAM).status().await?;
                        if !status.success() {
                            return Err(std::io::Error::other("the process has failed").into());
                        }
                    }
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
}
