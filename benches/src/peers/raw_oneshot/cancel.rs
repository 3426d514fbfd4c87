//! Cancelling receives by hand: one request to cancel for each, and all answers awaited.
//!
//! Contract of the unsafe code: the buffers outlive the ring's operations, since all of those have ended when the
//! function returns; should it fail before, the buffers are leaked.

use std::{mem::ManuallyDrop, os::fd::AsRawFd};

use anyhow::ensure;
use io_uring::{opcode, types::Fd};

use crate::measuring::{
    amounts::BUFFER_BYTES,
    job::{Job, Order},
    socket_pairs::socket_pairs,
    stopwatch::{Measured, Stopwatch},
    submissions::{Submissions, ring},
};

pub(super) const JOBS: &[(&str, Job)] = &[("receives", receives), ("receives-into", receives)];

/// Marks the requests to cancel in the user data; the rest is the receive's number.
const CANCEL: u64 = 1 << 32;

fn receives(order: &Order) -> anyhow::Result<Measured> {
    let sockets = ManuallyDrop::new(socket_pairs(order.operations)?);
    let mut buffers = ManuallyDrop::new(vec![[0_u8; BUFFER_BYTES]; sockets.len()]);
    let mut ring = ring()?;
    let (submitter, queue, mut completions) = ring.split();
    let mut submissions = Submissions::new(submitter, queue);
    for (number, ((socket, _), buffer)) in sockets.iter().zip(buffers.iter_mut()).enumerate() {
        let receive = opcode::Recv::new(Fd(socket.as_raw_fd()), buffer.as_mut_ptr(), BUFFER_BYTES as u32);
        // SAFETY: the sockets and buffers are dropped only after all operations have ended.
        unsafe { submissions.push(&receive.build().user_data(number as u64))? };
    }
    submissions.submit()?;

    let stopwatch = Stopwatch::start()?;
    let mut left = 2 * order.operations;
    for number in 0..order.operations {
        let cancel = opcode::AsyncCancel::new(number).build().user_data(number | CANCEL);
        // SAFETY: the entry names no memory.
        unsafe { submissions.push(&cancel)? };
    }
    while left > 0 {
        submissions.turn()?;
        completions.sync();
        for completion in &mut completions {
            let expected = if completion.user_data() & CANCEL == 0 { -libc::ECANCELED } else { 0 };
            ensure!(completion.result() == expected, "a receive was not cancelled");
            left -= 1;
        }
    }
    let measured = stopwatch.stop(order.operations)?;
    drop((ManuallyDrop::into_inner(sockets), ManuallyDrop::into_inner(buffers)));
    Ok(measured)
}
