//! The workers of a run that are idle.

use super::{program::Program, worker::Worker};
use crate::{lowlevel::RunVar, sync::CapacityLimiter, time::current_time};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::LazyLock,
    thread,
    time::Duration,
};

/// How long a worker may be idle.
const USUAL_IDLE_LIMIT: Duration = Duration::from_secs(300);

/// By how much longer workers wait for calls than they are given any, so that none is given to one that just ends.
const MARGIN: Duration = Duration::from_secs(10);

static POOL: LazyLock<RunVar<Pool>> = LazyLock::new(|| RunVar::new().with_default(Pool::new));

static LIMITER: LazyLock<RunVar<Rc<CapacityLimiter>>> = LazyLock::new(|| {
    RunVar::new().with_default(|| {
        let processors = thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
        Rc::new(CapacityLimiter::new(processors))
    })
});

/// What limits how many functions this run has called in worker processes at a time, if they have no limiter of their own:
/// at first to the number of processors.
///
/// # Panics
/// Outside of a run.
pub fn current_default_process_limiter() -> Rc<CapacityLimiter> {
    Rc::clone(&LIMITER.get().expect("the limiter has a default"))
}

/// Gives this run another limiter for calls that have none of their own. Calls that have begun, or wait for their turn, keep that
/// which they have.
///
/// # Panics
/// Outside of a run.
pub fn set_default_process_limiter(limiter: &Rc<CapacityLimiter>) {
    drop(LIMITER.set(Rc::clone(limiter)));
}

/// Sets how long workers of this run may be idle: five minutes unless this is called. One that was idle for longer is ended
/// when the next call is made, or by itself some seconds later.
///
/// # Panics
/// Outside of a run.
pub fn set_idle_limit(limit: Duration) {
    Pool::current().limit.set(limit);
}

/// The workers of a run that are idle. They are killed when the run ends and this is dropped.
pub(super) struct Pool {
    /// With their programs, the last used one last.
    idle: RefCell<Vec<(Program, Worker)>>,
    limit: Cell<Duration>,
}

impl Pool {
    fn new() -> Self {
        Self { idle: RefCell::default(), limit: Cell::new(USUAL_IDLE_LIMIT) }
    }

    /// That of this run.
    pub(super) fn current() -> Rc<Self> {
        POOL.get().expect("the pool has a default")
    }

    /// After what time without a call a worker that is started now is to end by itself.
    pub(super) fn limit_of_workers(&self) -> Duration {
        self.limit.get().saturating_add(MARGIN)
    }

    /// A worker for this program, if one is idle.
    pub(super) fn take(&self, program: &Program) -> Option<Worker> {
        let now = current_time();
        let fresh = |worker: &Worker| {
            now.saturating_duration_since(worker.idle_since) < self.limit.get() && worker.is_alive()
        };
        let (mut kept, old): (Vec<_>, Vec<_>) =
            self.idle.take().into_iter().partition(|(_, worker)| fresh(worker));
        let place = kept.iter().rposition(|(of, _)| of == program);
        let taken = place.map(|place| kept.remove(place).1);
        self.idle.replace(kept);
        // Killed here, when nothing is borrowed.
        drop(old);
        taken
    }

    /// Keeps a worker for the next call.
    pub(super) fn put(&self, program: Program, mut worker: Worker) {
        worker.idle_since = current_time();
        self.idle.borrow_mut().push((program, worker));
    }
}
