//! The driver.

use crate::{
    Options,
    attempt::{Buffers, message::MessageBuffers},
    blocking,
    descriptors::Descriptors,
    fork, host,
    operations::Operations,
    outcomes::{Outcomes, Wake},
    parked::Parked,
    readiness::Readiness,
    selector::{Collected, Selector},
};
use anyio_driver::{
    BufferId, BufferPool, Capabilities, Chunk, Completion, Driver, DriverStatistics, Op, OpKind, Outgoing,
    Rest, Token, Unpark, Unparker, Wait, workers::WorkerPool,
};
use std::{
    fmt, io,
    os::fd::{OwnedFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};

/// How soon what nobody tells of is tried again.
const RETRY: Duration = Duration::from_millis(2);

/// How many bytes one turn receives, more or less. What else is ready waits for the next turn, so that the bytes
/// are still in the processor's cache when the caller gets to them.
const SLICE: usize = 32 * 1024;

/// Does operations on readiness and worker threads.
///
/// Dropping it closes the descriptors that operations have made and nobody has taken.
///
/// Dropping it while operations are in flight leaves those that worker threads have begun running: their memory
/// must then be leaked. Whoever wants it back takes turns until [`Driver::in_flight`] is 0 first.
pub struct PollDriver {
    inner: Readiness,
    /// Messages that the next turn sends.
    outgoing: Outgoing,
    events: Collected,
    results: Vec<(Token, i32)>,
    in_flight: usize,
    fork: u32,
}

impl PollDriver {
    /// What tells of readiness on this host: `epoll` or `kqueue`.
    pub const READINESS: &str = host::READINESS;

    /// A driver on this host's means of readiness.
    ///
    /// # Errors
    /// When the process has no descriptors left, and as for [`BufferPool::try_new`].
    pub fn new(options: Options) -> io::Result<Self> {
        let pool = BufferPool::try_new(options.buffer_size, 0)?;
        let (selector, waker, events) = Selector::new()?;
        let files = options.threads.map_or_else(|| blocking::shared_pool().clone(), WorkerPool::new);
        let buffers = Buffers { pool, parked: Parked::default(), messages: MessageBuffers::default() };
        Ok(Self {
            inner: Readiness {
                selector,
                descriptors: Descriptors::default(),
                operations: Operations::default(),
                buffers,
                files,
                outcomes: Arc::new(Outcomes::new(Wake::Selector(waker))),
                done: Vec::new(),
                retrying: Vec::new(),
                received: 0,
                punted: 0,
            },
            outgoing: Outgoing::default(),
            events,
            results: Vec::new(),
            in_flight: 0,
            fork: fork::generation(),
        })
    }

    /// Looks at the kernel and the worker threads, and waits for them as long as `timeout` says.
    fn look(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.events.is_empty() && self.inner.selector.wait(&mut self.events, timeout)? {
            self.inner.outcomes.heard();
        }
        self.inner.received = 0;
        while self.inner.received < SLICE {
            let Some(event) = self.events.next() else { break };
            self.inner.event(event);
        }
        self.inner.outcomes.collect(&mut self.results);
        for (token, result) in self.results.drain(..) {
            self.inner.job_done(token, result);
        }
        if !self.inner.retrying.is_empty() {
            self.inner.retry();
        }
        Ok(())
    }

    fn timeout(&self, wait: Wait) -> Option<Duration> {
        if !self.inner.done.is_empty() {
            return Some(Duration::ZERO);
        }
        let timeout = match wait {
            Wait::No => Some(Duration::ZERO),
            Wait::Until(moment) => Some(moment.saturating_duration_since(Instant::now())),
            Wait::Forever => None,
        };
        if self.inner.retrying.is_empty() {
            return timeout;
        }
        Some(timeout.map_or(RETRY, |timeout| timeout.min(RETRY)))
    }
}

impl Driver for PollDriver {
    #[inline]
    unsafe fn submit(&mut self, token: Token, op: Op) {
        self.in_flight += 1;
        if let Some((fd, message)) = Outgoing::message_of(op) {
            // SAFETY: the caller's promise.
            return unsafe { self.outgoing.push(token, fd, message) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.inner.start(token, op) };
    }

    #[inline]
    fn take_answer(&mut self, token: Token) -> Option<Completion> {
        if self.inner.done.last()?.token != token {
            return None;
        }
        // Of several answers the last must not overtake the others.
        if let [.., before, last] = &self.inner.done[..] {
            if before.token == last.token {
                return None;
            }
        }
        let answer = self.inner.done.pop()?;
        self.in_flight -= 1;
        Some(answer)
    }

    fn cancel(&mut self, token: Token) {
        if self.outgoing.take_back(token) {
            return self.inner.done.push(Completion::new(token, -libc::ECANCELED));
        }
        self.inner.cancel(token);
    }

    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>) {
        self.cancel(token);
        // All that an operation has brought and nobody was told of: a receive of messages brings many.
        self.inner.done.retain(|completion| {
            let is_left = completion.token != token;
            if !is_left {
                self.in_flight -= usize::from(completion.is_final());
                completions.push(*completion);
            }
            is_left
        });
    }

    fn forget(&mut self, fd: RawFd) {
        self.inner.forget(fd);
    }

    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        if self.fork != fork::current() {
            return Err(io::Error::other("a driver does not work in the child of a fork"));
        }
        self.outgoing.send(|token, result| self.inner.done.push(Completion::new(token, result)));
        self.look(self.timeout(wait))?;
        self.in_flight -= self.inner.done.iter().filter(|done| done.is_final()).count();
        completions.append(&mut self.inner.done);
        Ok(())
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        self.inner.selector.event_source()
    }

    #[inline]
    fn rest(&mut self) -> Rest {
        if !self.inner.done.is_empty() || self.outgoing.count() > 0 || self.events.may_be_more() {
            return Rest::No;
        }
        Rest::Until((!self.inner.retrying.is_empty()).then(|| Instant::now() + RETRY))
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn unparker(&self) -> Unparker {
        let outcomes: Arc<dyn Unpark> = Arc::<Outcomes>::clone(&self.inner.outcomes);
        Unparker::new(outcomes)
    }

    #[inline]
    fn take_buffer(&mut self, buffer: BufferId, length: usize) -> Chunk {
        let buffers = &mut self.inner.buffers;
        let chunk =
            if buffer.is_message() { buffers.messages.take(buffer) } else { buffers.parked.take(buffer) };
        let mut chunk = chunk.expect("a buffer is taken once, for a completion that names it");
        chunk.truncate(length);
        chunk
    }

    fn pool(&self) -> &BufferPool {
        &self.inner.buffers.pool
    }

    fn message_pool(&mut self) -> &BufferPool {
        self.inner.buffers.messages.pool()
    }

    fn message_buffers_in_use(&self) -> usize {
        self.inner.buffers.messages.in_use()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            multishot_receive: false,
            pooled_receive: true,
            prefers_pooled_receive: true,
            attempts_sends: true,
            rules_calls: false,
        }
    }

    fn supports(&self, kind: OpKind) -> bool {
        host::supports(kind)
    }

    fn statistics(&self) -> DriverStatistics {
        DriverStatistics { punted: self.inner.punted, ..DriverStatistics::default() }
    }
}

impl Drop for PollDriver {
    fn drop(&mut self) {
        if self.fork == fork::current() {
            self.inner.close_untaken();
        }
    }
}

impl fmt::Debug for PollDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollDriver").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}
