//! Files of tokio, which are read and written by its pool of threads. Reads at given places are done there by the
//! standard library, since the runtime's own files have a cursor only.

use std::{
    fs::OpenOptions,
    os::unix::fs::{FileExt, OpenOptionsExt},
    sync::Arc,
};

use anyio::fs::AlignedBuffer;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    task::{JoinSet, spawn_blocking},
};

use super::run;
use crate::{
    measuring::{
        amounts::shares,
        job::{Job, Order},
        sample_files::{
            BLOCK_BYTES, LARGE, LARGE_BYTES, PIECE_BYTES, Places, SMALL_BYTES, check_large, check_small,
            check_written, piece, small, written,
        },
        stopwatch::Measured,
    },
    peers::file_jobs::file_jobs,
};

pub(super) const JOBS: &[(&str, Job)] = file_jobs!(random_reads, read_long, write_long, small_files);

fn random_reads(order: &Order, depth: u64, direct: bool) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let flags = if direct { libc::O_DIRECT } else { 0 };
        let file = Arc::new(OpenOptions::new().read(true).custom_flags(flags).open(LARGE)?);
        let mut tasks = JoinSet::new();
        for (task, share) in (0..).zip(shares(count, depth)) {
            let file = Arc::clone(&file);
            tasks.spawn(async move {
                let mut places = Places::of_task(task);
                let mut buffer = AlignedBuffer::new(BLOCK_BYTES);
                buffer.resize(BLOCK_BYTES);
                for _ in 0..share {
                    let place = places.next();
                    let file = Arc::clone(&file);
                    let read = spawn_blocking(move || file.read_at(&mut buffer, place).map(|_| buffer));
                    buffer = read.await??;
                    check_large(&buffer, place, BLOCK_BYTES)?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    })
}

fn read_long(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let mut file = File::open(LARGE).await?;
        let mut buffer = vec![0; PIECE_BYTES];
        for number in 0..count {
            let place = number * PIECE_BYTES as u64 % LARGE_BYTES;
            file.read_exact(&mut buffer).await?;
            check_large(&buffer, place, PIECE_BYTES)?;
        }
        Ok(())
    })
}

fn write_long(order: &Order) -> anyhow::Result<Measured> {
    let measured = run(order, async |count| {
        let mut file = File::create(written()).await?;
        let piece = piece();
        for _ in 0..count {
            file.write_all(&piece).await?;
        }
        file.sync_all().await?;
        Ok(())
    })?;
    check_written(order.operations)?;
    Ok(measured)
}

fn small_files(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let mut tasks = JoinSet::new();
        for (task, share) in (0..).zip(shares(count, depth)) {
            tasks.spawn(async move {
                let mut buffer = vec![0; 2 * SMALL_BYTES];
                for number in (task..).step_by(depth as usize).take(share as usize) {
                    let mut file = File::open(small(number)).await?;
                    let size = file.metadata().await?.len();
                    let length = file.read(&mut buffer).await?;
                    drop(file);
                    check_small(&buffer[..length], size, number)?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    })
}
