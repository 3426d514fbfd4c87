//! Files of anyio.

use anyio::{
    Backend, Result,
    fs::{AlignedBuffer, File},
    task_group,
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

pub(super) const URING: &[(&str, Job)] =
    file_jobs!(random_reads, read_long, write_long, small_files; Backend::Uring);
pub(super) const POLL: &[(&str, Job)] =
    file_jobs!(random_reads, read_long, write_long, small_files; Backend::Poll);

/// Errors of the checks, which are not anyio's.
fn other(error: anyhow::Error) -> anyio::Error {
    std::io::Error::other(error).into()
}

fn random_reads(backend: Backend, order: &Order, depth: u64, direct: bool) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        let file = File::options().read(true).direct(direct).open(LARGE).await?;
        let file = &file;
        task_group(async |tg| -> Result<()> {
            for (task, share) in (0..).zip(shares(count, depth)) {
                tg.start_soon(async move {
                    let mut places = Places::of_task(task);
                    let mut buffer = AlignedBuffer::new(BLOCK_BYTES);
                    for _ in 0..share {
                        let place = places.next();
                        let (read, bytes) = file.read_at(buffer, place).await;
                        read?;
                        check_large(&bytes, place, BLOCK_BYTES).map_err(other)?;
                        buffer = bytes;
                    }
                    anyio::Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
}

fn read_long(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        let mut file = File::open(LARGE).await?;
        let mut buffer = Vec::with_capacity(PIECE_BYTES);
        for number in 0..count {
            let place = number * PIECE_BYTES as u64 % LARGE_BYTES;
            let (read, bytes) = file.read(buffer).await;
            read?;
            check_large(&bytes, place, PIECE_BYTES).map_err(other)?;
            buffer = bytes;
        }
        file.close().await
    })
}

fn write_long(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    let measured = run(backend, order, async |count| {
        let mut file = File::create(written()).await?;
        let mut piece = piece();
        for _ in 0..count {
            let (result, buffer) = file.write_all(piece).await;
            result?;
            piece = buffer;
        }
        file.sync_all().await?;
        file.close().await
    })?;
    check_written(order.operations)?;
    Ok(measured)
}

fn small_files(backend: Backend, order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        task_group(async |tg| -> Result<()> {
            for (task, share) in (0..).zip(shares(count, depth)) {
                tg.start_soon(async move {
                    let mut buffer = Vec::with_capacity(2 * SMALL_BYTES);
                    for number in (task..).step_by(depth as usize).take(share as usize) {
                        let mut file = File::open(small(number)).await?;
                        let size = file.metadata().await?.len();
                        let (read, bytes) = file.read(buffer).await;
                        read?;
                        file.close().await?;
                        check_small(&bytes, size, number).map_err(other)?;
                        buffer = bytes;
                    }
                    anyio::Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
}
