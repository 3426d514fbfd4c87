//! From submission to completion.
//!
//! # Contract
//! Everything here works on operations between submission and final completion, for which
//! [`Driver::submit`](anyio_driver::Driver::submit) has promised that what they name stays valid. An operation
//! leaves the table when its completion is put on the list of those to be handed out, and is never attempted
//! after that; while a worker thread has it, nobody else attempts it.

mod ending;
mod events;

use crate::{
    attempt::{Attempt, Buffers, attempt, doubtful, side},
    blocking,
    descriptors::{Class, Descriptor, Descriptors},
    host,
    operations::{List, Operations, Pending, Place, Side},
    outcomes::Outcomes,
    selector::{REARM, Selector},
    system::negative,
};
use anyio_driver::{Completion, CompletionFlags, Op, Token, workers::WorkerPool};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
};

/// The least that a receive counts for in this, however few bytes it brought: it has taken a buffer of its own.
const LEAST: usize = 1024;

/// All of a driver but its events.
pub(crate) struct Readiness {
    pub(crate) selector: Selector,
    pub(crate) descriptors: Descriptors,
    pub(crate) operations: Operations,
    pub(crate) buffers: Buffers,
    pub(crate) files: WorkerPool,
    pub(crate) outcomes: Arc<Outcomes>,
    /// What the next turn hands out.
    pub(crate) done: Vec<Completion>,
    /// Operations that wait for what nobody tells of.
    pub(crate) retrying: Vec<u32>,
    /// How many bytes have been received into buffers of the pool since this was last set to 0.
    pub(crate) received: usize,
    /// How many operations were given to threads.
    pub(crate) punted: u64,
}

impl Descriptor {
    fn list(&mut self, side: Side) -> &mut List {
        match side {
            Side::Reading => &mut self.readers,
            Side::Writing => &mut self.writers,
            Side::Watching => &mut self.watchers,
        }
    }

    /// Whether an attempt on this side may succeed.
    fn may_be_ready(&self, side: Side) -> bool {
        match side {
            Side::Reading => self.readable,
            Side::Writing => self.writable,
            Side::Watching => true,
        }
    }

    fn set_blocked(&mut self, side: Side) {
        match side {
            Side::Reading => self.readable = false,
            Side::Writing => self.writable = false,
            Side::Watching => {}
        }
    }

    fn has_waiting(&self) -> bool {
        !(self.readers.is_empty() && self.writers.is_empty() && self.watchers.is_empty())
    }
}

impl Readiness {
    /// Takes an operation.
    ///
    /// # Safety
    /// That of [`Driver::submit`](anyio_driver::Driver::submit).
    #[inline]
    pub(crate) unsafe fn start(&mut self, token: Token, op: Op) {
        // SAFETY: the caller's promise is what each of these asks for.
        unsafe {
            if let Some((fd, side)) = side(&op) {
                return self.start_on(token, op, fd, side);
            }
            match op {
                Op::Nop {} => self.complete(token, 0.into()),
                Op::Shutdown { fd, how } => self.complete(token, blocking::shutdown(fd, how).into()),
                _ if !host::supports(op.kind()) => {
                    let flags = CompletionFlags::UNSUPPORTED;
                    self.done.push(Completion { flags, ..Completion::new(token, -libc::EOPNOTSUPP) });
                }
                Op::WaitProcess { pid, info, options } => self.start_wait(token, pid, info, options),
                _ => self.start_job(token, op),
            }
        }
    }

    unsafe fn start_on(&mut self, token: Token, op: Op, fd: RawFd, side: Side) {
        let Some(descriptor) = self.descriptors.get(fd) else {
            return self.complete(token, (-libc::EBADF).into());
        };
        if matches!(op, Op::Connect { .. }) && !descriptor.has_waiting() {
            // The first thing that happens to a socket.
            *descriptor = Descriptor { registered: descriptor.registered, ..Descriptor::default() };
        }
        if side != Side::Watching {
            if let Err(error) = descriptor.classify(fd) {
                return self.complete(token, error.into());
            }
        }
        let mut progress = 0;
        if descriptor.may_be_ready(side) && (side == Side::Watching || descriptor.list(side).is_empty()) {
            // SAFETY: the operation is being submitted.
            match unsafe { attempt(&op, &mut progress, descriptor, &mut self.buffers) } {
                Attempt::Done(answer) => return self.finish(token, &op, answer),
                Attempt::Blocked => descriptor.set_blocked(side),
                Attempt::NoRoom => {
                    let index = self.operations.insert(Pending::new(token, op, progress, Place::Room));
                    return self.retrying.push(index);
                }
                // SAFETY: the caller's promise.
                Attempt::Blocking => return unsafe { self.start_job(token, op) },
            }
        }
        let registered = descriptor.registered;
        match self.register(fd, registered, doubtful(&op)) {
            Ok(()) => self.queue(Pending::new(token, op, progress, Place::Ready { fd, side })),
            Err(error) if side != Side::Watching && self.blocks(fd, &error) => {
                // SAFETY: the caller's promise.
                unsafe { self.start_job(token, op) }
            }
            Err(error) => self.complete(token, negative(&error).into()),
        }
    }

    /// Whether a descriptor that cannot be watched for this reason is one to block a thread for.
    fn blocks(&mut self, fd: RawFd, error: &io::Error) -> bool {
        self.descriptors
            .seen(fd)
            .is_some_and(|descriptor| descriptor.class == Class::Device && host::cannot_watch(error))
    }

    fn register(&mut self, fd: RawFd, registered: bool, doubtful: bool) -> io::Result<()> {
        if !registered {
            self.selector.register(fd)?;
            if let Some(descriptor) = self.descriptors.seen(fd) {
                descriptor.registered = true;
            }
        } else if doubtful || REARM {
            self.selector.verify(fd)?;
        }
        Ok(())
    }

    /// Lets an operation wait for readiness.
    fn queue(&mut self, pending: Pending) {
        let Place::Ready { fd, side } = pending.place else { return };
        let index = self.operations.insert(pending);
        if let Some(descriptor) = self.descriptors.seen(fd) {
            self.operations.append(descriptor.list(side), index);
        }
    }

    unsafe fn start_job(&mut self, token: Token, op: Op) {
        self.punted += 1;
        // SAFETY: the caller's promise.
        match unsafe { blocking::start(&self.files, &self.outcomes, token, op) } {
            Ok(handle) => {
                self.operations.insert(Pending::new(token, op, 0, Place::Job(handle)));
            }
            Err(refused) => self.complete(token, negative(&refused.error).into()),
        }
    }

    unsafe fn start_wait(
        &mut self,
        token: Token,
        pid: libc::pid_t,
        info: *mut libc::siginfo_t,
        options: libc::c_int,
    ) {
        let op = Op::WaitProcess { pid, info, options };
        // SAFETY: the caller's promise.
        if let Some(result) = unsafe { host::wait_process(pid, info, options) } {
            return self.complete(token, result.into());
        }
        match host::watch_process(pid, options).and_then(|watch| self.watch(watch)) {
            Ok(watch) => {
                let place = Place::Ready { fd: watch.as_raw_fd(), side: Side::Reading };
                let mut pending = Pending::new(token, op, 0, place);
                pending.watch = Some(watch);
                self.queue(pending);
            }
            // What cannot be watched is waited for by a thread.
            // SAFETY: the caller's promise.
            Err(_) => unsafe { self.start_job(token, op) },
        }
    }

    /// Registers a descriptor of the driver's own.
    fn watch(&mut self, watch: OwnedFd) -> io::Result<OwnedFd> {
        self.adopt(watch.as_raw_fd(), Class::Pipe);
        self.register(watch.as_raw_fd(), false, false)?;
        Ok(watch)
    }
}
