//! From submission to completion.
//!
//! # Contract
//! Everything here works on operations between submission and final completion, for which
//! [`Driver::submit`](anyio_driver::Driver::submit) has promised that what they name stays valid. An operation
//! leaves the table when its completion is put on the list of those to be handed out, and is never attempted
//! after that; while a worker thread has it, nobody else attempts it.

use crate::{
    attempt::{Answer, Attempt, Buffers, attempt, doubtful, side, withdrawn},
    blocking,
    descriptors::{Class, Descriptor, Descriptors},
    host,
    operations::{List, Operations, Pending, Place, Side},
    outcomes::Outcomes,
    selector::{Event, REARM, Selector},
    system::negative,
};
use anyio_driver::{Completion, CompletionFlags, Op, Token, workers::WorkerPool};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
};

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
                Op::Close { fd } => {
                    self.forget(fd);
                    self.complete(token, blocking::close(fd).into());
                }
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
        if side != Side::Watching
            && let Err(error) = descriptor.classify(fd)
        {
            return self.complete(token, error.into());
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

    /// Notes that a descriptor is new.
    fn adopt(&mut self, fd: RawFd, class: Class) {
        self.withdraw_all(fd);
        if let Some(descriptor) = self.descriptors.get(fd) {
            *descriptor = Descriptor { class, ..Descriptor::default() };
        }
    }

    #[inline]
    fn complete(&mut self, token: Token, answer: Answer) {
        self.done.push(answer.completion(token));
    }

    /// Completes an operation and notes what its success means for descriptors.
    #[inline]
    fn finish(&mut self, token: Token, op: &Op, answer: Answer) {
        if answer.result >= 0 {
            match *op {
                Op::Accept { fd } => {
                    let listener =
                        self.descriptors.seen(fd).map_or(Class::Unknown, |listener| listener.class);
                    self.adopt(answer.result, listener);
                    if let Some(descriptor) = self.descriptors.seen(answer.result) {
                        descriptor.nonblocking = true;
                    }
                }
                Op::Open { .. } => self.adopt(answer.result, Class::Unknown),
                _ => {}
            }
        }
        self.complete(token, answer);
    }

    /// Ends a waiting operation, which is in no list any more.
    fn end(&mut self, index: u32, answer: Answer) {
        let Some(pending) = self.operations.remove(index) else { return };
        if let Some(watch) = &pending.watch {
            self.forget(watch.as_raw_fd());
        }
        self.finish(pending.token, &pending.op, answer);
    }

    /// What has happened to a descriptor lets its operations go on.
    #[inline]
    pub(crate) fn event(&mut self, event: Event) {
        let Some(descriptor) = self.descriptors.seen(event.fd) else { return };
        descriptor.ended |= event.ended;
        descriptor.urgent |= event.urgent;
        descriptor.readable |= event.readable;
        descriptor.writable |= event.writable;
        let (reads, writes) = (!descriptor.readers.is_empty(), !descriptor.writers.is_empty());
        let watched = !descriptor.watchers.is_empty();
        if event.readable && reads {
            self.advance(event.fd, Side::Reading);
        }
        if event.writable && writes {
            self.advance(event.fd, Side::Writing);
        }
        if watched {
            self.look(event.fd);
        }
        if REARM {
            self.rearm(event.fd);
        }
    }

    /// Attempts the operations of one side in order until one would block.
    fn advance(&mut self, fd: RawFd, side: Side) {
        loop {
            let Some(descriptor) = self.descriptors.seen(fd) else { return };
            if !descriptor.may_be_ready(side) {
                return;
            }
            let Some(index) = descriptor.list(side).first() else { return };
            let Some(pending) = self.operations.get(index) else { return };
            // SAFETY: what is in the table has not completed.
            match unsafe { attempt(&pending.op, &mut pending.progress, descriptor, &mut self.buffers) } {
                Attempt::Done(answer) => {
                    self.operations.unlink(descriptor.list(side), index);
                    self.end(index, answer);
                }
                Attempt::Blocked => return descriptor.set_blocked(side),
                Attempt::NoRoom => {
                    pending.place = Place::Room;
                    self.operations.unlink(descriptor.list(side), index);
                    self.retrying.push(index);
                }
                Attempt::Blocking => {
                    self.operations.unlink(descriptor.list(side), index);
                    if let Some(pending) = self.operations.remove(index) {
                        // SAFETY: the operation has been submitted and has not completed.
                        unsafe { self.start_job(pending.token, pending.op) };
                    }
                }
            }
        }
    }

    /// Attempts the polls of a descriptor.
    fn look(&mut self, fd: RawFd) {
        let mut next = self.descriptors.seen(fd).and_then(|descriptor| descriptor.watchers.first());
        while let Some(index) = next {
            next = self.operations.after(index);
            let Some(descriptor) = self.descriptors.seen(fd) else { return };
            let Some(pending) = self.operations.get(index) else { return };
            // SAFETY: what is in the table has not completed.
            let attempt =
                unsafe { attempt(&pending.op, &mut pending.progress, descriptor, &mut self.buffers) };
            if let Attempt::Done(answer) = attempt {
                self.operations.unlink(&mut descriptor.watchers, index);
                self.end(index, answer);
            }
        }
    }

    /// Registers a descriptor again for those that still wait, where the host needs it.
    fn rearm(&mut self, fd: RawFd) {
        if self.descriptors.seen(fd).is_some_and(|descriptor| descriptor.has_waiting())
            && let Err(error) = self.selector.verify(fd)
        {
            self.fail_all(fd, negative(&error));
        }
    }

    /// Tries again what waits for what nobody tells of.
    pub(crate) fn retry(&mut self) {
        for index in std::mem::take(&mut self.retrying) {
            let Some(pending) = self.operations.get(index) else { continue };
            let Some((fd, side)) = side(&pending.op) else { continue };
            let Some(descriptor) = self.descriptors.seen(fd) else { continue };
            // SAFETY: what is in the table has not completed.
            match unsafe { attempt(&pending.op, &mut pending.progress, descriptor, &mut self.buffers) } {
                Attempt::Done(answer) => self.end(index, answer),
                Attempt::NoRoom => self.retrying.push(index),
                Attempt::Blocked | Attempt::Blocking => {
                    let registered = descriptor.registered;
                    if let Some(mut pending) = self.operations.remove(index) {
                        match self.register(fd, registered, true) {
                            Ok(()) => {
                                pending.place = Place::Ready { fd, side };
                                self.queue(pending);
                            }
                            Err(error) => self.complete(pending.token, negative(&error).into()),
                        }
                    }
                }
            }
        }
    }

    /// Completes what a worker thread has done.
    pub(crate) fn job_done(&mut self, token: Token, result: i32) {
        if self.operations.find(token).is_some() {
            self.end(token.index(), result.into());
        }
    }

    /// Withdraws an operation that waits; one that a thread works on is left to finish.
    pub(crate) fn cancel(&mut self, token: Token) {
        let Some(pending) = self.operations.find(token) else { return };
        let index = token.index();
        let result = withdrawn(pending);
        match &pending.place {
            &Place::Ready { fd, side } => {
                let Some(descriptor) = self.descriptors.seen(fd) else { return };
                self.operations.unlink(descriptor.list(side), index);
            }
            Place::Room => self.retrying.retain(|other| *other != index),
            Place::Job(handle) => {
                if !handle.try_remove() {
                    return;
                }
            }
        }
        self.end(index, result.into());
    }

    /// Forgets a descriptor. Operations that still wait for it, against the contract, are withdrawn.
    pub(crate) fn forget(&mut self, fd: RawFd) {
        self.withdraw_all(fd);
        let Some(descriptor) = self.descriptors.seen(fd) else { return };
        if descriptor.registered {
            self.selector.deregister(fd);
        }
        *descriptor = Descriptor::default();
    }

    fn withdraw_all(&mut self, fd: RawFd) {
        self.fail_all(fd, -libc::ECANCELED);
    }

    fn fail_all(&mut self, fd: RawFd, result: i32) {
        for side in [Side::Reading, Side::Writing, Side::Watching] {
            while let Some(descriptor) = self.descriptors.seen(fd)
                && let Some(index) = descriptor.list(side).first()
            {
                self.operations.unlink(descriptor.list(side), index);
                self.end(index, result.into());
            }
        }
    }
}
