//! Files of compio.

use compio::{
    buf::{BufResult, IntoInner, IoBuf},
    fs::{File, OpenOptions},
    io::{AsyncReadAt, AsyncWriteAtExt},
    runtime::spawn,
};
use futures_util::future::join_all;

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
        let file = OpenOptions::new().read(true).custom_flags(flags).open(LARGE).await?;
        let tasks = (0..).zip(shares(count, depth)).map(|(task, share)| {
            let file = file.clone();
            spawn(async move {
                let mut places = Places::of_task(task);
                let mut buffer: Vec<u8> = Vec::with_capacity(2 * BLOCK_BYTES);
                let begin = buffer.as_ptr().align_offset(BLOCK_BYTES);
                buffer.resize(begin, 0);
                for _ in 0..share {
                    let place = places.next();
                    let BufResult(read, slice) =
                        file.read_at(buffer.slice(begin..begin + BLOCK_BYTES), place).await;
                    buffer = slice.into_inner();
                    check_large(&buffer[begin..begin + read?], place, BLOCK_BYTES)?;
                }
                anyhow::Ok(())
            })
        });
        for ended in join_all(tasks.collect::<Vec<_>>()).await {
            ended.map_err(|_| anyhow::anyhow!("a task panicked"))??;
        }
        Ok(())
    })
}

fn read_long(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let file = File::open(LARGE).await?;
        let mut buffer = Vec::with_capacity(PIECE_BYTES);
        for number in 0..count {
            let place = number * PIECE_BYTES as u64 % LARGE_BYTES;
            let BufResult(read, bytes) = file.read_at(buffer, place).await;
            check_large(&bytes[..read?], place, PIECE_BYTES)?;
            buffer = bytes;
        }
        Ok(file.close().await?)
    })
}

fn write_long(order: &Order) -> anyhow::Result<Measured> {
    let measured = run(order, async |count| {
        let mut file = File::create(written()).await?;
        let mut piece = piece();
        for number in 0..count {
            let BufResult(result, buffer) = file.write_all_at(piece, number * PIECE_BYTES as u64).await;
            result?;
            piece = buffer;
        }
        file.sync_all().await?;
        Ok(file.close().await?)
    })?;
    check_written(order.operations)?;
    Ok(measured)
}

fn small_files(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let tasks = (0..).zip(shares(count, depth)).map(|(task, share)| {
            spawn(async move {
                let mut buffer = Vec::with_capacity(2 * SMALL_BYTES);
                for number in (task..).step_by(depth as usize).take(share as usize) {
                    let file = File::open(small(number)).await?;
                    let size = file.metadata().await?.len();
                    let BufResult(read, bytes) = file.read_at(buffer, 0).await;
                    file.close().await?;
                    check_small(&bytes[..read?], size, number)?;
                    buffer = bytes;
                }
                anyhow::Ok(())
            })
        });
        for ended in join_all(tasks.collect::<Vec<_>>()).await {
            ended.map_err(|_| anyhow::anyhow!("a task panicked"))??;
        }
        Ok(())
    })
}
