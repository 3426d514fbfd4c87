//! The driver on io_uring, with threads for what the kernel lacks.
//!
//! # Contract
//! The only operation that is submitted here names neither memory nor descriptors. What callers submit is passed on with
//! their promise.

use super::{BackendReport, Feature, Options};
use anyio_driver::{
    BufferId, BufferPool, Capabilities, Chunk, Completion, Driver, DriverStatistics, Op, OpKind, Rest, Token,
    Unparker, Wait,
};
use anyio_fallback::Jobs;
use anyio_uring::{Report, ZeroCopySends};
use std::{
    io,
    os::fd::{OwnedFd, RawFd},
    time::{Duration, Instant},
};

/// So long each turn of a trial operation may take, and so many it may have; it takes one and no time at all where rings work.
const TRIAL: Duration = Duration::from_secs(1);
const TURNS: usize = 2;

/// A ring, and what does the operations that its kernel has not.
///
/// A kernel may lack any operation on files and paths, as those of distributions do that have a newer io_uring than the rest
/// of the kernel. Only those go to threads then.
pub(crate) struct UringDriver {
    ring: anyio_uring::UringDriver,
    /// Not there if the kernel lacks nothing.
    jobs: Option<Box<Jobs>>,
}

impl UringDriver {
    /// Whether the kernel lacks operations of this kind, and threads do them.
    #[inline]
    fn is_job(&self, kind: OpKind) -> bool {
        self.jobs.is_some() && Jobs::can_do(kind) && !self.ring.supports(kind)
    }
}

impl Driver for UringDriver {
    #[inline(always)]
    unsafe fn submit(&mut self, token: Token, op: Op) {
        if self.is_job(op.kind()) {
            if let Some(jobs) = &mut self.jobs {
                // SAFETY: the caller's promise.
                return unsafe { jobs.submit(token, op) };
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.ring.submit(token, op) };
    }

    #[inline]
    unsafe fn submit_for_next_turn(&mut self, token: Token, op: Op) {
        if self.is_job(op.kind()) {
            // SAFETY: the caller's promise.
            return unsafe { self.submit(token, op) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.ring.submit_for_next_turn(token, op) };
    }

    fn end_turn_with_all(&mut self) {
        self.ring.end_turn_with_all();
    }

    #[inline]
    fn take_answer(&mut self, token: Token) -> Option<Completion> {
        self.jobs.as_mut().filter(|jobs| jobs.have_answers())?.take(token)
    }

    #[inline]
    fn cancel(&mut self, token: Token) {
        if let Some(jobs) = &mut self.jobs {
            jobs.cancel(token);
        }
        self.ring.cancel(token);
    }

    fn cancel_in_vain(&mut self, token: Token) -> bool {
        if let Some(jobs) = &mut self.jobs {
            jobs.cancel(token);
        }
        self.ring.cancel_in_vain(token)
    }

    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>) {
        if let Some(jobs) = &mut self.jobs {
            jobs.cancel(token);
            completions.extend(jobs.take(token));
        }
        self.ring.withdraw(token, completions);
    }

    fn forget(&mut self, fd: RawFd) {
        self.ring.forget(fd);
    }

    #[inline]
    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        let Some(jobs) = &mut self.jobs else { return self.ring.turn(wait, completions) };
        let wait = if jobs.have_answers() { Wait::No } else { wait };
        let turned = self.ring.turn(wait, completions);
        jobs.collect(completions);
        turned
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        self.ring.event_source()
    }

    #[inline]
    fn rest(&mut self) -> Rest {
        if self.jobs.as_ref().is_some_and(|jobs| jobs.have_answers()) {
            return Rest::No;
        }
        self.ring.rest()
    }

    fn in_flight(&self) -> usize {
        self.ring.in_flight() + self.jobs.as_ref().map_or(0, |jobs| jobs.in_flight())
    }

    fn unparker(&self) -> Unparker {
        self.ring.unparker()
    }

    #[inline]
    fn take_buffer(&mut self, buffer: BufferId, length: usize) -> Chunk {
        self.ring.take_buffer(buffer, length)
    }

    fn pool(&self) -> &BufferPool {
        self.ring.pool()
    }

    fn message_pool(&mut self) -> &BufferPool {
        self.ring.message_pool()
    }

    fn message_buffers_in_use(&self) -> usize {
        self.ring.message_buffers_in_use()
    }

    fn capabilities(&self) -> Capabilities {
        self.ring.capabilities()
    }

    #[inline]
    fn supports(&self, kind: OpKind) -> bool {
        self.ring.supports(kind) || Jobs::can_do(kind)
    }

    fn statistics(&self) -> DriverStatistics {
        let mut statistics = Driver::statistics(&self.ring);
        statistics.punted += self.jobs.as_ref().map_or(0, |jobs| jobs.count());
        statistics
    }
}

/// Sets a ring up, and makes sure that it can be used.
///
/// # Errors
/// If the host does not offer one; the text says why.
pub(crate) fn open(options: &Options) -> io::Result<UringDriver> {
    let mut ring = set_up(options)?;
    check(&mut ring)?;
    let lacks_some = OpKind::ALL.iter().any(|kind| Jobs::can_do(*kind) && !ring.supports(*kind));
    let jobs = lacks_some.then(|| Box::new(Jobs::new(options.worker_threads, ring.unparker())));
    Ok(UringDriver { ring, jobs })
}

fn set_up(options: &Options) -> io::Result<anyio_uring::UringDriver> {
    let zero_copy_sends =
        options.zero_copy_sends.map(|threshold| ZeroCopySends { threshold, to_this_host: false });
    let uring = anyio_uring::Options {
        entries: options.ring_entries,
        buffers: options.receive_buffers,
        buffer_size: options.receive_buffer_size,
        spin: options.spin,
        kernel_workers: options.kernel_workers,
        busy_poll: options.busy_poll,
        zero_copy_sends,
        masked: options.masked.clone(),
        ..Default::default()
    };
    anyio_uring::UringDriver::new(&uring).map_err(io::Error::from)
}

/// Looks what there is of it on this host.
pub(crate) fn examine(options: &Options) -> BackendReport {
    match set_up(options) {
        Ok(mut ring) => BackendReport { refusal: check(&mut ring).err(), features: features(ring.report()) },
        Err(error) => BackendReport { refusal: Some(error), features: Vec::new() },
    }
}

fn features(report: &Report) -> Vec<Feature> {
    let size = |name, note| Feature { name, in_use: true, note };
    let workers = match report.kernel_workers {
        Some(count) => format!("at most {count} work on files"),
        None => "as many as the kernel sees fit".to_owned(),
    };
    let mut features = vec![
        size("submission queue", format!("{} entries", report.submission_entries)),
        size("completion queue", format!("{} entries", report.completion_entries)),
        size("worker threads of the kernel", workers),
    ];
    features.extend(report.findings.iter().map(|finding| Feature {
        name: finding.name,
        in_use: finding.in_use,
        note: finding.note.to_owned(),
    }));
    features
}

/// Makes sure that the ring is more than there, namely allowed to do something.
fn check(ring: &mut impl Driver) -> io::Result<()> {
    attempt(ring, TRIAL).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "io_uring is not available: a ring can be set up but not used, most likely because a seccomp filter \
                 or a security module refuses io_uring_enter ({error})"
            ),
        )
    })
}

/// Does nothing, by way of the ring, each of whose turns may take so long. The time that passes between them, while this thread
/// may have no processor, says nothing of the ring.
fn attempt(driver: &mut impl Driver, longest: Duration) -> io::Result<()> {
    // SAFETY: the operation names neither memory nor descriptors, and there is no other with that token.
    unsafe { driver.submit(Token::new(0, 0), Op::Nop {}) };
    let mut completions = Vec::new();
    for _ in 0..TURNS {
        driver.turn(Wait::Until(Instant::now() + longest), &mut completions)?;
        match completions.first().map(|completion| completion.result) {
            Some(error @ ..0) => return Err(io::Error::from_raw_os_error(-error)),
            Some(_) => return Ok(()),
            None => {}
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test_backends;

    #[test]
    fn a_thread_that_has_no_processor_while_a_ring_is_tried_has_a_ring_all_the_same() {
        if !test_backends().contains(&crate::Backend::Uring) {
            return;
        }
        let mut ring = set_up(&Options::default()).unwrap();
        // All of its time has passed before its turn begins.
        attempt(&mut ring, Duration::ZERO).unwrap();
    }
}
