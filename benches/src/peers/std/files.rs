//! Files of the standard library.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
};

use anyio::fs::AlignedBuffer;

use super::{block_on, in_threads};
use crate::{
    measuring::{
        amounts::shares,
        job::{Job, Order},
        sample_files::{
            BLOCK_BYTES, LARGE, LARGE_BYTES, PIECE_BYTES, Places, SMALL_BYTES, check_large, check_small,
            check_written, piece, small, written,
        },
        stopwatch::{Measured, measure},
    },
    peers::file_jobs::file_jobs,
};

pub(super) const JOBS: &[(&str, Job)] = file_jobs!(random_reads, read_long, write_long, small_files);

fn run(order: &Order, mut work: impl FnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    block_on(measure(order.operations, async |count| work(count)))
}

fn random_reads(order: &Order, depth: u64, direct: bool) -> anyhow::Result<Measured> {
    run(order, |count| {
        let flags = if direct { libc::O_DIRECT } else { 0 };
        let file = OpenOptions::new().read(true).custom_flags(flags).open(LARGE)?;
        in_threads(shares(count, depth), |task, share| {
            let mut places = Places::of_task(task);
            let mut buffer = AlignedBuffer::new(BLOCK_BYTES);
            buffer.resize(BLOCK_BYTES);
            for _ in 0..share {
                let place = places.next();
                file.read_at(&mut buffer, place)?;
                check_large(&buffer, place, BLOCK_BYTES)?;
            }
            Ok(())
        })
    })
}

fn read_long(order: &Order) -> anyhow::Result<Measured> {
    run(order, |count| {
        let mut file = File::open(LARGE)?;
        let mut buffer = vec![0; PIECE_BYTES];
        for number in 0..count {
            let place = number * PIECE_BYTES as u64 % LARGE_BYTES;
            file.read_exact(&mut buffer)?;
            check_large(&buffer, place, PIECE_BYTES)?;
        }
        Ok(())
    })
}

fn write_long(order: &Order) -> anyhow::Result<Measured> {
    let measured = run(order, |count| {
        let mut file = File::create(written())?;
        let piece = piece();
        for _ in 0..count {
            file.write_all(&piece)?;
        }
        Ok(file.sync_all()?)
    })?;
    check_written(order.operations)?;
    Ok(measured)
}

fn small_files(order: &Order, depth: u64) -> anyhow::Result<Measured> {
    run(order, |count| {
        in_threads(shares(count, depth), |task, share| {
            let mut buffer = vec![0; 2 * SMALL_BYTES];
            for number in (task..).step_by(depth as usize).take(share as usize) {
                let mut file = File::open(small(number))?;
                let size = file.metadata()?.len();
                let length = file.read(&mut buffer)?;
                drop(file);
                check_small(&buffer[..length], size, number)?;
            }
            Ok(())
        })
    })
}
