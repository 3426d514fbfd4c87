//! Going on with operations when their descriptors are ready.

use super::Readiness;
use crate::{
    attempt::{Attempt, attempt, side},
    operations::{Place, Side},
    selector::{Event, REARM},
    system::negative,
};
use std::os::fd::RawFd;

impl Readiness {
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
        if self.descriptors.seen(fd).is_some_and(|descriptor| descriptor.has_waiting()) {
            if let Err(error) = self.selector.verify(fd) {
                self.fail_all(fd, negative(&error));
            }
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
}
