//! Closing descriptors.
//!
//! A descriptor is closed by `close(2)`, which has had its effect when it returns: a lock is free, a port can be bound, a
//! program that was written can be run. A ring would do it some time later: with its next turn, and on file systems that
//! have something to do at a close (those in user space and on networks, overlays) in a thread of the kernel, which tells
//! that it is done before it is.
//!
//! Where the call may wait for a server or a device, whoever awaits the close has it done by a worker thread, and the end of
//! the run waits for that. Whoever only drops what he has does not wait for anything, so there it is called at once.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as host;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as host;

use super::{
    Core, RunId, WaitQueue, WaitReason, Waiter,
    calls::{self, Options},
    clock::{JobKind, JobUnderWay},
    inbox::{self, Message},
};
use anyio_driver::workers::WorkerPool;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::poll_fn,
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::OnceLock,
    task::Poll,
    time::Duration,
};

/// How many closes may wait at once; more are queued.
const MOST_THREADS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// The closes of one run that worker threads do.
#[derive(Default)]
pub(super) struct Closing {
    last: Cell<u64>,
    under_way: RefCell<HashMap<u64, Rc<Close>>>,
}

/// One of them.
#[derive(Default)]
struct Close {
    result: Cell<Option<io::Result<()>>>,
    waiting: WaitQueue,
}

impl Closing {
    /// How many have not ended.
    pub(super) fn count(&self) -> usize {
        self.under_way.borrow().len()
    }
}

/// Closes a descriptor that no operation uses, and tells how that went. It is closed also if this is not awaited to its end.
pub(super) async fn close(descriptor: OwnedFd) -> io::Result<()> {
    if !may_wait(&descriptor) {
        let closed = calls::Close::of(descriptor).make();
        // Others have their turn now and then, also in a cancelled scope.
        poll_fn(|cx| Core::with(|core| core.poll_immediate(cx))).await;
        return closed;
    }
    let (close, _under_way) =
        Core::with(|core| (begin(core, descriptor), JobUnderWay::new(core, JobKind::Awaited)));
    let mut waiting = Awaited { close: &close, waiter: Waiter::new(WaitReason::Close) };
    poll_fn(|cx| match close.result.take() {
        Some(result) => Poll::Ready(result),
        None => Core::with(|core| waiting.waiter.poll_shielded(core, &close.waiting, cx))
            .map(|_| close.result.take().unwrap_or(Ok(()))),
    })
    .await
}

/// Who waits for a close, until he goes.
struct Awaited<'a> {
    close: &'a Close,
    waiter: Waiter,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.waiter.withdraw(&self.close.waiting);
    }
}

/// Whether closing this descriptor may wait for a server, a device or a peer.
fn may_wait(descriptor: &OwnedFd) -> bool {
    // What cannot be examined is of no type.
    match calls::examine(descriptor.as_fd()).unwrap_or(0) & libc::S_IFMT {
        // Pipes, and event counters and the like, which are of no type.
        libc::S_IFIFO | 0 => false,
        libc::S_IFSOCK => Options::of(descriptor)
            .get(|socket| socket.linger())
            .is_ok_and(|time| time.is_some_and(|time| time > Duration::ZERO)),
        libc::S_IFREG | libc::S_IFDIR => !host::is_local(descriptor),
        // Devices: terminals wait for their output, disks for what was written.
        _ => true,
    }
}

/// Has a worker thread close a descriptor.
fn begin(core: &Core, descriptor: OwnedFd) -> Rc<Close> {
    let closing = core.closing();
    let number = closing.last.get() + 1;
    closing.last.set(number);
    let close = Rc::<Close>::default();
    closing.under_way.borrow_mut().insert(number, Rc::clone(&close));
    let (executor, run) = (core.id(), core.run());
    let call = calls::Close::of(descriptor);
    let job = Box::new(move || {
        let result = call.make();
        inbox::of(executor).push(Message::Run(Box::new(move |core| end(core, run, number, result))));
    });
    if let Err(refused) = pool().submit(job) {
        // There are no threads to be had.
        (refused.job)();
    }
    close
}

/// The threads that close, apart from all others: a close may wait for a server that is gone.
fn pool() -> &'static WorkerPool {
    static POOL: OnceLock<WorkerPool> = OnceLock::new();
    POOL.get_or_init(|| WorkerPool::new(MOST_THREADS))
}

/// Takes note of a close that a worker thread has done.
fn end(core: &Core, run: RunId, number: u64, result: io::Result<()>) {
    if core.run() != run {
        return;
    }
    let close = core.closing().under_way.borrow_mut().remove(&number);
    if let Some(close) = close {
        close.result.set(Some(result));
        close.waiting.notify_all();
    }
}
