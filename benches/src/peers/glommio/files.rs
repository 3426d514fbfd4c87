//! Files of glommio: one kind for the page cache and one for direct access.

use std::rc::Rc;

use futures_util::future::join_all;
use glommio::{
    io::{BufferedFile, DmaFile},
    spawn_local as spawn,
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

/// The runtime's errors are not those of threads.
fn plain<T>(result: glommio::Result<T, ()>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow::anyhow!("{error}"))
}

/// Random reads in tasks that share a file of either kind.
macro_rules! at_random {
    ($count:expr, $depth:expr, $kind:ident, $read:ident) => {{
        let file = Rc::new(plain($kind::open(LARGE).await)?);
        let tasks = (0..).zip(shares($count, $depth)).map(|(task, share)| {
            let file = Rc::clone(&file);
            spawn(async move {
                let mut places = Places::of_task(task);
                for _ in 0..share {
                    let place = places.next();
                    let bytes = plain(file.$read(place, BLOCK_BYTES).await)?;
                    check_large(&bytes, place, BLOCK_BYTES)?;
                }
                anyhow::Ok(())
            })
        });
        for ended in join_all(tasks.collect::<Vec<_>>()).await {
            ended?;
        }
        Ok(())
    }};
}

fn random_reads(order: &Order, depth: u64, direct: bool) -> anyhow::Result<Measured> {
    run(order, async |count| {
        if direct {
            at_random!(count, depth, DmaFile, read_at_aligned)
        } else {
            at_random!(count, depth, BufferedFile, read_at)
        }
    })
}

fn read_long(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let file = plain(BufferedFile::open(LARGE).await)?;
        for number in 0..count {
            let place = number * PIECE_BYTES as u64 % LARGE_BYTES;
            check_large(&plain(file.read_at(place, PIECE_BYTES).await)?, place, PIECE_BYTES)?;
        }
        plain(file.close().await)
    })
}

fn write_long(order: &Order) -> anyhow::Result<Measured> {
    let measured = run(order, async |count| {
        let file = plain(BufferedFile::create(written()).await)?;
        let piece = piece();
        for number in 0..count {
            let place = number * PIECE_BYTES as u64;
            // The buffer does not come back.
            let written = plain(file.write_at(piece.clone(), place).await)?;
            anyhow::ensure!(written == PIECE_BYTES, "only {written} bytes were written");
        }
        plain(file.fdatasync().await)?;
        plain(file.close().await)
    })?;
    check_written(order.operations)?;
    Ok(measured)
}

fn small_files(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let tasks = (0..).zip(shares(count, depth)).map(|(task, share)| {
            spawn(async move {
                for number in (task..).step_by(depth as usize).take(share as usize) {
                    let file = plain(BufferedFile::open(small(number)).await)?;
                    let size = plain(file.file_size().await)?;
                    let bytes = plain(file.read_at(0, 2 * SMALL_BYTES).await)?;
                    plain(file.close().await)?;
                    check_small(&bytes, size, number)?;
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
