//! Operations done by blocking a worker thread.
//!
//! # Contract
//! [`Work`] carries the raw pointers of an operation to another thread. They stay valid until the operation's
//! final completion, as [`Driver::submit`](anyio_driver::Driver::submit) demands, and that is not handed out
//! before the job's result has been. When a driver is dropped with jobs running, nobody is told of their end:
//! whoever owns their memory must not free it then, but leak it.

use crate::{
    host, opening,
    outcomes::Outcomes,
    system::{last_error, uninterrupted},
};
use anyio_driver::{
    Op, Token,
    workers::{JobHandle, Refused, WorkerPool},
};
use libc::c_int;
use std::{
    num::NonZeroUsize,
    os::fd::{FromRawFd, OwnedFd},
    sync::{Arc, OnceLock},
    thread,
};

/// An operation on its way to a worker thread.
struct Work(Op);

// SAFETY: an operation is plain numbers and pointers; the memory behind them is used by nobody else until its
// completion (see the module's contract), so it may be used from the worker's thread.
unsafe impl Send for Work {}

/// The pool that drivers share unless told otherwise.
pub(crate) fn shared_pool() -> &'static WorkerPool {
    static POOL: OnceLock<WorkerPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        WorkerPool::new(NonZeroUsize::new(4 * processors).unwrap_or(NonZeroUsize::MIN).max(LEAST))
    })
}

/// The least number of threads that drivers share.
const LEAST: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// The pool for what may wait for other processes for any length of time, and must not keep files waiting.
fn waiting_pool() -> &'static WorkerPool {
    static POOL: OnceLock<WorkerPool> = OnceLock::new();
    POOL.get_or_init(|| WorkerPool::new(MOST_WAITING))
}

/// How many waits for other processes there may be at once; more are queued.
const MOST_WAITING: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Gives an operation to a thread.
///
/// # Safety
/// The operation was submitted under this token and has not completed; see the module's contract.
pub(crate) unsafe fn start(
    files: &WorkerPool,
    outcomes: &Arc<Outcomes>,
    token: Token,
    op: Op,
) -> Result<JobHandle, Refused> {
    let pool = match op {
        Op::WaitProcess { .. } => waiting_pool(),
        _ => files,
    };
    let (work, outcomes) = (Work(op), Arc::clone(outcomes));
    pool.submit(Box::new(move || {
        let opens = opening::brings_descriptor(&work.0);
        // SAFETY: the caller's promise holds until the result has been handed in.
        let result = unsafe { work.run() };
        if !outcomes.push(token, result) && opens && result >= 0 {
            // SAFETY: the descriptor was just made, and nobody else knows of it.
            drop(unsafe { OwnedFd::from_raw_fd(result) });
        }
    }))
}

impl Work {
    /// Does the operation. Gives its result, or its error made negative.
    ///
    /// # Safety
    /// What the operation names is valid.
    unsafe fn run(self) -> i32 {
        // SAFETY: the operation's pointers are valid and mean what `Op` says they mean.
        unsafe {
            match self.0 {
                Op::Read { fd, pointer, length, offset: None } => {
                    uninterrupted(|| libc::read(fd, pointer.cast(), length as usize))
                }
                Op::Read { fd, pointer, length, offset: Some(offset) } => at(offset, |offset| {
                    uninterrupted(|| host::pread(fd, pointer.cast(), length as usize, offset))
                }),
                Op::Write { fd, pointer, length, offset: None } => {
                    uninterrupted(|| libc::write(fd, pointer.cast(), length as usize))
                }
                Op::Write { fd, pointer, length, offset: Some(offset) } => at(offset, |offset| {
                    uninterrupted(|| host::pwrite(fd, pointer.cast(), length as usize, offset))
                }),
                Op::ReadVectored { fd, pieces, count, offset: None } => {
                    uninterrupted(|| libc::readv(fd, pieces, count as c_int))
                }
                Op::ReadVectored { fd, pieces, count, offset: Some(offset) } => {
                    at(offset, |offset| uninterrupted(|| host::preadv(fd, pieces, count as c_int, offset)))
                }
                Op::WriteVectored { fd, pieces, count, offset: None } => {
                    uninterrupted(|| libc::writev(fd, pieces, count as c_int))
                }
                Op::WriteVectored { fd, pieces, count, offset: Some(offset) } => {
                    at(offset, |offset| uninterrupted(|| host::pwritev(fd, pieces, count as c_int, offset)))
                }
                Op::Open { directory, path, flags, mode } => {
                    opening::open(directory, path, flags | libc::O_CLOEXEC, mode)
                }
                Op::Synchronize { fd, data_only } => host::synchronize(fd, data_only),
                Op::Status { directory, path, flags, status } => host::status(directory, path, flags, status),
                Op::Truncate { fd, length } => {
                    at(length, |length| uninterrupted(|| host::truncate(fd, length)))
                }
                Op::Allocate { fd, mode, offset, length } => {
                    at(offset, |offset| at(length, |length| host::allocate(fd, mode, offset, length)))
                }
                Op::Advise { fd, offset, length, advice } => {
                    at(offset, |offset| at(length, |length| host::advise(fd, offset, length, advice)))
                }
                Op::Unlink { directory, path, flags } => {
                    uninterrupted(|| libc::unlinkat(directory, path, flags))
                }
                Op::Rename { from_directory, from, to_directory, to, flags } => {
                    host::rename(from_directory, from, to_directory, to, flags)
                }
                Op::MakeDirectory { directory, path, mode } => {
                    uninterrupted(|| libc::mkdirat(directory, path, mode))
                }
                Op::Link { from_directory, from, to_directory, to, flags } => {
                    uninterrupted(|| libc::linkat(from_directory, from, to_directory, to, flags))
                }
                Op::SymbolicLink { target, directory, path } => {
                    uninterrupted(|| libc::symlinkat(target, directory, path))
                }
                Op::WaitProcess { pid, info, options } => {
                    uninterrupted(|| libc::waitid(libc::P_PID, pid as libc::id_t, info, options))
                }
                Op::Nop {} => 0,
                Op::Shutdown { fd, how } => shutdown(fd, how),
                Op::Receive { .. }
                | Op::ReceivePooled { .. }
                | Op::ReceiveMultishot { .. }
                | Op::Send { .. }
                | Op::ReceiveMessage { .. }
                | Op::SendMessage { .. }
                | Op::Accept { .. }
                | Op::Connect { .. }
                | Op::ReceiveMessages { .. }
                | Op::Poll { .. } => -libc::EOPNOTSUPP,
            }
        }
    }
}

/// Hands a position in a file to what takes it as the host has it.
fn at<T: TryFrom<u64>>(position: u64, action: impl FnOnce(T) -> i32) -> i32 {
    T::try_from(position).map_or(-libc::EOVERFLOW, action)
}

pub(crate) fn shutdown(fd: c_int, how: c_int) -> i32 {
    // SAFETY: takes numbers only.
    match unsafe { libc::shutdown(fd, how) } {
        0 => 0,
        _ => -last_error(),
    }
}
