//! One executor: what its thread knows while it runs.
//!
//! # Contract
//! `CURRENT`, or `LENT` while a host has the thread, points to the executor of this thread from the beginning of its run to
//! the end of its teardown, while the executor lies unmoved on the heap. References to it are only lent to closures on this thread, so none
//! outlives it. Everything in it is for this thread alone and uses cells; code of users runs with no borrow open and every
//! state whole (see `runtime/aftermath.rs`).

mod lending;
mod polling;
mod scopes;
mod turn;
mod waking;

use self::{lending::Host, scopes::Remotes};
use super::{
    aftermath::Aftermath,
    backend::AnyDriver,
    clock::RunClock,
    closing::Closing,
    companions::Companions,
    inbox::{Lease, Message},
    orphans::Orphans,
    outbox::Outbox,
    panics::FirstPanic,
    queue::WaitQueue,
    run_id::RunId,
    scope::Scope,
    shuffle::Shuffle,
    tasks::Tasks,
    telling::Instruments,
    variables::Variables,
    waits::Waits,
    waker::TaskKey,
    watched::Watched,
};
use crate::message::{ReceivedMessage, WITH_RIGHTS};
use anyio_driver::{Capabilities, Completion, CompletionFlags, Driver};
use std::{
    cell::{Cell, Ref, RefCell, RefMut},
    io,
    os::fd::{FromRawFd, OwnedFd},
    ptr,
    time::Instant,
};

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
    /// The executor of this thread while a host has the thread: see `lending.rs`.
    static LENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

pub(crate) use lending::Lending;

/// How many polls of tasks that were woken by tasks fit into one turn.
const BUDGET: u32 = 64;

/// How many more of them fit for each completion, timer and message: the task that is started for it, and who waits for that.
const STARTED: u32 = 2;

/// How many operations may complete without waiting, or be refused with a cancellation, in one poll of a task
/// before it has to let others run.
const IMMEDIATE: u32 = 32;

/// How many polls of a turn may end because a task has done so much, whatever the budget is: each of them is long.
const LONG: u32 = BUDGET - 2;

/// How many tasks may begin within each other's polls: each takes room on the stack.
const DEEPEST: u32 = 8;

/// Whether the main task is to be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MainReady {
    No,
    Charged,
    Urgent,
}

/// One executor.
pub(crate) struct Core {
    run: RunId,
    capabilities: Capabilities,
    clock: RunClock,
    lease: Lease,
    driver: RefCell<AnyDriver>,
    waits: Waits,
    tasks: Tasks,
    orphans: Orphans,
    outbox: Outbox,
    variables: Variables,
    companions: Companions,
    watched: Watched,
    closing: Closing,
    scope: Cell<*const Scope>,
    task: Cell<Option<TaskKey>>,
    /// The task whose wakers wake nothing for now: see [`Unheard`].
    unheard: Cell<Option<TaskKey>>,
    main_ready: Cell<MainReady>,
    dispatching: Cell<bool>,
    budget: Cell<u32>,
    immediate: Cell<u32>,
    /// How many more long polls the turn can afford.
    long: Cell<u32>,
    depth: Cell<u32>,
    streams: Cell<usize>,
    aftermath: Aftermath,
    remotes: RefCell<Remotes>,
    completions: RefCell<Vec<Completion>>,
    messages: RefCell<Vec<Message>>,
    stale: Cell<u64>,
    buffer_shortages: Cell<u64>,
    late_waits: Cell<u64>,
    panic: FirstPanic,
    idle: WaitQueue,
    host: Host,
    instruments: Instruments,
}

impl Core {
    /// An executor on this driver, with this clock, which takes ready tasks in this order.
    ///
    /// # Errors
    /// If too many run in this process.
    pub(crate) fn new(driver: AnyDriver, clock: RunClock, shuffle: Shuffle) -> io::Result<Box<Self>> {
        let run = RunId::next();
        let lease = Lease::new()?;
        lease.open(driver.unparker(), run);
        Ok(Box::new(Self {
            run,
            capabilities: driver.capabilities(),
            waits: Waits::new(run, &clock),
            clock,
            tasks: Tasks::new(lease.id(), shuffle),
            lease,
            driver: RefCell::new(driver),
            orphans: Orphans::default(),
            outbox: Outbox::default(),
            variables: Variables::default(),
            companions: Companions::default(),
            watched: Watched::default(),
            closing: Closing::default(),
            scope: Cell::new(ptr::null()),
            task: Cell::new(None),
            unheard: Cell::new(None),
            main_ready: Cell::new(MainReady::Charged),
            dispatching: Cell::new(false),
            budget: Cell::new(BUDGET),
            immediate: Cell::new(IMMEDIATE),
            long: Cell::new(LONG),
            depth: Cell::new(0),
            streams: Cell::new(0),
            aftermath: Aftermath::new(),
            remotes: RefCell::default(),
            completions: RefCell::default(),
            messages: RefCell::default(),
            stale: Cell::new(0),
            buffer_shortages: Cell::new(0),
            late_waits: Cell::new(0),
            panic: FirstPanic::new(),
            idle: WaitQueue::new(),
            host: Host::default(),
            instruments: Instruments::default(),
        }))
    }

    /// Lends the executor of this thread.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    #[track_caller]
    pub(crate) fn with<R>(use_core: impl FnOnce(&Core) -> R) -> R {
        match Self::try_with(use_core) {
            Some(result) => result,
            None => panic!("no anyio runtime on this thread: this works only inside of anyio::run"),
        }
    }

    /// Lends the executor of this thread, if there is one.
    #[inline]
    pub(crate) fn try_with<R>(use_core: impl FnOnce(&Core) -> R) -> Option<R> {
        Self::try_with_any(|core| core.map(use_core))
    }

    /// Lends the executor of this thread, or tells that there is none.
    #[inline]
    pub(crate) fn try_with_any<R>(use_core: impl FnOnce(Option<&Core>) -> R) -> R {
        // At the thread's very end the variable may be gone; then the executor is, too.
        let mut current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
        if current.is_null() {
            current = lending::call();
        }
        // SAFETY: the pointer leads to an executor as long as it is set: see the contract.
        use_core(unsafe { current.as_ref() })
    }

    /// Makes this the thread's executor as long as the guard lives.
    ///
    /// # Errors
    /// If the thread has one already.
    #[expect(clippy::borrowed_box, reason = "it has to lie on the heap")]
    pub(crate) fn enter(self: &Box<Self>) -> io::Result<Entered> {
        if !CURRENT.get().is_null() || !LENT.get().is_null() {
            return Err(io::Error::other("an anyio runtime runs on this thread already"));
        }
        CURRENT.set(&**self);
        Ok(Entered(()))
    }

    #[inline]
    pub(crate) fn id(&self) -> u16 {
        self.lease.id()
    }

    /// Which executor of this process this is; never used again.
    #[inline]
    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    /// What the driver can do.
    #[inline]
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// How time goes in this run.
    pub(crate) fn clock(&self) -> &RunClock {
        &self.clock
    }

    /// The time on this run's clock.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    #[inline]
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    #[inline]
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn orphans(&self) -> &Orphans {
        &self.orphans
    }

    #[inline]
    pub(in crate::runtime) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    pub(crate) fn companions(&self) -> &Companions {
        &self.companions
    }

    /// Who waits for the readiness of which descriptor.
    pub(crate) fn watched(&self) -> &Watched {
        &self.watched
    }

    pub(in crate::runtime) fn aftermath(&self) -> &Aftermath {
        &self.aftermath
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    #[inline]
    pub(crate) fn driver(&self) -> Ref<'_, AnyDriver> {
        self.driver.borrow()
    }

    #[inline]
    pub(crate) fn driver_mut(&self) -> RefMut<'_, AnyDriver> {
        self.driver.borrow_mut()
    }

    /// The driver, unless it is in use further up on this thread's stack.
    pub(crate) fn try_driver_mut(&self) -> Option<RefMut<'_, AnyDriver>> {
        self.driver.try_borrow_mut().ok()
    }

    /// The closes that worker threads do for this run.
    pub(in crate::runtime) fn closing(&self) -> &Closing {
        &self.closing
    }

    /// Whether something is under way that the end of the run has to wait for.
    pub(crate) fn is_busy(&self) -> bool {
        self.driver().in_flight() > 0 || self.closing.count() > 0
    }

    /// How many streams are open that may have a receive in flight.
    #[inline]
    pub(crate) fn streams(&self) -> &Cell<usize> {
        &self.streams
    }

    /// Who is to be woken when all others wait for something that has not happened.
    pub(crate) fn idle(&self) -> &WaitQueue {
        &self.idle
    }

    /// Who is told of the steps of the run.
    #[inline]
    pub(crate) fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// Leaks what operations use that have not ended with their run. Tells how many that were which nobody holds any more.
    pub(crate) fn give_up_operations(&self) -> usize {
        self.orphans.give_up(self.waits.operations_in_flight().into_iter()) + self.outbox.give_up()
    }

    /// Notes that a receive has ended because the driver had no buffer to choose.
    pub(crate) fn note_buffer_shortage(&self) {
        self.buffer_shortages.set(self.buffer_shortages.get() + 1);
    }

    /// How often a receive has ended because the driver had no buffer to choose.
    pub(crate) fn buffer_shortages(&self) -> u64 {
        self.buffer_shortages.get()
    }

    /// How often a wait for a time has ended well after it.
    pub(crate) fn late_waits(&self) -> u64 {
        self.late_waits.get()
    }

    /// How many completions came for nobody.
    pub(crate) fn stale_completions(&self) -> u64 {
        self.stale.get()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.waits.detach_everything();
        // SAFETY: the kernel has made these descriptors for futures and listeners that can no longer take them.
        self.waits.take_descriptors(|number| drop(unsafe { OwnedFd::from_raw_fd(number) }));
        let driver = self.driver.get_mut();
        self.waits.take_rights(|outcome| {
            if outcome.buffer.is_message() && outcome.flags.contains(CompletionFlags::BUFFER) {
                let chunk = driver.take_buffer(outcome.buffer, outcome.result as usize);
                drop(ReceivedMessage::new(chunk, &WITH_RIGHTS));
            }
        });
        self.waits.leave_answers();
        if self.driver.get_mut().in_flight() > 0 {
            self.give_up_operations();
        }
        // What came too late for the end of the run. Whoever panics here finds nobody to hear of it.
        FirstPanic::new().drop_each(self.waits.take_wakers());
    }
}

/// Takes the executor off its thread when dropped.
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
    }
}
