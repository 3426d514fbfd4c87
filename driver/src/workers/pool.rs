//! The pool of threads.

use crate::synchronization::{Condvar, Mutex, MutexGuard, thread};
use std::{
    collections::BTreeMap,
    fmt, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

/// Work that may block its thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// How long a thread without work stays, unless set otherwise.
const IDLE: Duration = Duration::from_secs(10);

/// Threads that do blocking jobs. Cheap to clone; a clone is another handle to the same pool.
///
/// When the last handle is gone, the threads finish what is queued and end.
#[derive(Clone)]
pub struct WorkerPool(Arc<Handle>);

/// What the handles share; its end is the pool's.
struct Handle(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
}

struct State {
    /// By number, so in order of submission.
    queue: BTreeMap<u64, Job>,
    next: u64,
    /// The threads that wait, the most recent one last.
    idle: Vec<Arc<Seat>>,
    threads: usize,
    limit: NonZeroUsize,
    idle_time: Duration,
    /// How the next thread is to be made.
    builder: fn() -> thread::Builder,
    closed: bool,
}

/// Where an idle thread waits. Whoever takes it off the list of idle ones notifies it.
#[derive(Default)]
struct Seat(Condvar);

/// Names a job that was submitted to a [`WorkerPool`]. Dropping it changes nothing.
pub struct JobHandle {
    pool: Arc<Inner>,
    number: u64,
}

impl JobHandle {
    /// Takes the job out of the queue and gives it back, if no thread has taken it yet: it has not run.
    pub fn take_back(&self) -> Option<Job> {
        self.pool.take_back(self.number)
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobHandle").field(&self.number).finish()
    }
}

/// A job for which no thread could be started.
pub struct Refused {
    /// Why the thread could not be started.
    pub error: io::Error,
    /// The job, which has not run.
    pub job: Job,
}

impl WorkerPool {
    /// A pool of at most `limit` threads, without any yet.
    pub fn new(limit: NonZeroUsize) -> Self {
        Self(Arc::new(Handle(Arc::new(Inner {
            state: Mutex::new(State {
                queue: BTreeMap::new(),
                next: 0,
                idle: Vec::new(),
                threads: 0,
                limit,
                idle_time: IDLE,
                builder: || thread::Builder::new().name("anyio-worker".into()),
                closed: false,
            }),
        }))))
    }

    /// Queues a job, and wakes or starts a thread for it if the bound allows.
    ///
    /// A panic in the job ends the job and not its thread; its message is the panic hook's business.
    ///
    /// # Errors
    /// When no thread could be started and there is none that will get to the job later. The job comes back.
    pub fn submit(&self, job: Job) -> Result<JobHandle, Refused> {
        let inner = &self.0.0;
        let mut state = inner.lock();
        let number = state.next;
        state.next += 1;
        state.queue.insert(number, job);
        if let Some(seat) = state.idle.pop() {
            seat.0.notify_one();
        } else if state.threads < state.limit.get() {
            if let Err(error) = inner.start_thread(&mut state) {
                if state.threads == 0 {
                    if let Some(job) = state.queue.remove(&number) {
                        return Err(Refused { error, job });
                    }
                }
            }
        }
        Ok(JobHandle { pool: Arc::clone(inner), number })
    }

    /// Sets the greatest number of threads. Threads beyond it end when they have no work.
    pub fn set_limit(&self, limit: NonZeroUsize) {
        let inner = &self.0.0;
        let mut state = inner.lock();
        state.limit = limit;
        let wanted = state.queue.len().saturating_sub(state.idle.len());
        for _ in 0..wanted {
            // A failure is none of the caller's: where jobs are queued there is a thread that gets to them.
            if state.threads >= state.limit.get() || inner.start_thread(&mut state).is_err() {
                break;
            }
        }
    }

    /// The greatest number of threads.
    pub fn limit(&self) -> NonZeroUsize {
        self.0.0.lock().limit
    }

    /// Sets how long a thread without work stays. For threads that wait already it counts from their next wait.
    pub fn set_idle_time(&self, time: Duration) {
        self.0.0.lock().idle_time = time;
    }

    /// Sets how threads are made, so that tests can have them fail.
    #[cfg(all(test, not(loom)))]
    pub(super) fn set_builder(&self, builder: fn() -> thread::Builder) {
        self.0.0.lock().builder = builder;
    }

    /// How many threads there are, busy and idle.
    pub fn threads(&self) -> usize {
        self.0.0.lock().threads
    }

    /// How many threads wait for a job.
    pub fn idle(&self) -> usize {
        self.0.0.lock().idle.len()
    }

    /// How many jobs wait for a thread.
    pub fn queued(&self) -> usize {
        self.0.0.lock().queue.len()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so a poisoned one is still in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread while the lock is held: so the thread is counted before anyone relies on it.
    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let inner = Arc::clone(self);
        (state.builder)().spawn(move || inner.work())?;
        state.threads += 1;
        Ok(())
    }

    fn take_back(&self, number: u64) -> Option<Job> {
        self.lock().queue.remove(&number)
    }

    /// The life of a thread.
    fn work(&self) {
        let seat = Arc::new(Seat::default());
        let mut state = self.lock();
        loop {
            if let Some((_, job)) = state.queue.pop_first() {
                drop(state);
                run(job);
                state = self.lock();
                continue;
            }
            if state.closed || state.threads > state.limit.get() {
                break;
            }
            // No deadline: a time so long that the clock cannot express its end.
            let deadline = Instant::now().checked_add(state.idle_time);
            let left = || deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            state.idle.push(Arc::clone(&seat));
            while state.is_seated(&seat) {
                let left = left();
                if left.is_zero() {
                    state.idle.retain(|other| !Arc::ptr_eq(other, &seat));
                    break;
                }
                let waited = seat.0.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            // A thread that was called at the last moment finds its job; one whose job was removed again may end
            // as well.
            if state.queue.is_empty() && left().is_zero() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl State {
    /// Whether nobody has called the thread of this seat yet.
    fn is_seated(&self, seat: &Arc<Seat>) -> bool {
        self.idle.iter().any(|other| Arc::ptr_eq(other, seat))
    }
}

fn run(job: Job) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
        // The payload is a value of the job's own making; its destructor may panic too.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        for seat in state.idle.drain(..) {
            seat.0.notify_one();
        }
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.0.lock();
        f.debug_struct("WorkerPool")
            .field("threads", &state.threads)
            .field("limit", &state.limit)
            .field("queued", &state.queue.len())
            .finish()
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}
