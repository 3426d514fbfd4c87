//! One executor: what its thread knows while it runs.
//!
//! # Contract
//! `CURRENT` points to the executor of this thread from the beginning of its run to the end of its teardown, while
//! the executor lies unmoved on the heap. References to it are only lent to closures on this thread, so none
//! outlives it. Everything in it is for this thread alone and uses cells; what may run code of users (waking foreign
//! wakers, disposing of results) is called with no borrow open.

use super::{
    backend::AnyDriver,
    clock::RunClock,
    inbox::{Lease, Message},
    orphans::Orphans,
    queue::WaitQueue,
    tasks::Tasks,
    variables::Variables,
    waits::{Delivery, Expired, WaitKey, Waits},
    waker::{StoredWaker, TaskKey, Wakee},
};
use crate::{
    process::Processes,
    scope::{ReasonKind, Scope},
    signal,
};
use anyio_driver::{Capabilities, Completion, CompletionFlags, Driver, Op, Token, Unparker, Wait};
use std::{
    any::Any,
    cell::{Cell, Ref, RefCell, RefMut},
    collections::HashMap,
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    task::Waker,
    time::Instant,
};

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// How many polls of tasks that were woken by tasks fit into one turn.
const BUDGET: u32 = 64;

/// How many operations may complete without waiting, or be refused with a cancellation, in one poll of a task
/// before it has to let others run.
const IMMEDIATE: u32 = 32;

/// Whether the main task is to be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MainReady {
    No,
    Charged,
    Urgent,
}

/// One executor.
pub(crate) struct Core {
    run: u32,
    capabilities: Capabilities,
    clock: RunClock,
    lease: Lease,
    driver: RefCell<AnyDriver>,
    waits: Waits,
    tasks: Tasks,
    orphans: Orphans,
    variables: Variables,
    signals: signal::Dispatch,
    processes: Processes,
    scope: Cell<*const Scope>,
    task: Cell<Option<TaskKey>>,
    main_ready: Cell<MainReady>,
    dispatching: Cell<bool>,
    budget: Cell<u32>,
    immediate: Cell<u32>,
    streams: Cell<usize>,
    deferring: Cell<bool>,
    deferred: RefCell<Vec<Waker>>,
    remotes: RefCell<Remotes>,
    completions: RefCell<Vec<Completion>>,
    messages: RefCell<Vec<Message>>,
    stale: Cell<u64>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
    idle: WaitQueue,
}

impl Core {
    /// An executor on this driver, with this clock.
    ///
    /// # Errors
    /// If too many run in this process.
    pub(crate) fn new(driver: AnyDriver, clock: RunClock) -> io::Result<Box<Self>> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let lease = Lease::new()?;
        lease.open(driver.unparker());
        Ok(Box::new(Self {
            run,
            capabilities: driver.capabilities(),
            waits: Waits::new(run, &clock),
            clock,
            tasks: Tasks::new(lease.id()),
            lease,
            driver: RefCell::new(driver),
            orphans: Orphans::default(),
            variables: Variables::default(),
            signals: signal::Dispatch::default(),
            processes: Processes::default(),
            scope: Cell::new(ptr::null()),
            task: Cell::new(None),
            main_ready: Cell::new(MainReady::Charged),
            dispatching: Cell::new(false),
            budget: Cell::new(BUDGET),
            immediate: Cell::new(IMMEDIATE),
            streams: Cell::new(0),
            deferring: Cell::new(false),
            deferred: RefCell::default(),
            remotes: RefCell::default(),
            completions: RefCell::default(),
            messages: RefCell::default(),
            stale: Cell::new(0),
            panic: Cell::new(None),
            idle: WaitQueue::new(),
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
        // At the thread's very end the variable may be gone; then the executor is, too.
        let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
        // SAFETY: the pointer leads to an executor as long as it is set: see the contract.
        unsafe { current.as_ref() }.map(use_core)
    }

    /// Makes this the thread's executor as long as the guard lives.
    ///
    /// # Errors
    /// If the thread has one already.
    #[expect(clippy::borrowed_box, reason = "it has to lie on the heap")]
    pub(crate) fn enter(self: &Box<Self>) -> io::Result<Entered> {
        if !CURRENT.get().is_null() {
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
    pub(crate) fn run(&self) -> u32 {
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

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    pub(crate) fn signals(&self) -> &signal::Dispatch {
        &self.signals
    }

    /// The children of this run that were not reaped.
    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
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

    /// How many streams are open that may have a receive in flight.
    #[inline]
    pub(crate) fn streams(&self) -> &Cell<usize> {
        &self.streams
    }

    /// Who is to be woken when all others wait for something that has not happened.
    pub(crate) fn idle(&self) -> &WaitQueue {
        &self.idle
    }

    /// How many completions came for nobody.
    pub(crate) fn stale_completions(&self) -> u64 {
        self.stale.get()
    }

    // ---- scopes ----

    /// The scope of what is being polled.
    #[inline]
    pub(crate) fn scope(&self) -> Option<&Scope> {
        // SAFETY: the current scope is set only while its body is being polled, during which it is alive and unmoved.
        unsafe { self.scope.get().as_ref() }
    }

    /// Makes `scope` the current one as long as the guard lives.
    #[inline]
    pub(crate) fn enter_scope<'a>(&'a self, scope: &'a Scope) -> CurrentScope<'a> {
        CurrentScope { core: self, outer: self.scope.replace(scope) }
    }

    #[inline]
    pub(crate) fn scope_is_effective(&self) -> bool {
        self.scope().is_some_and(Scope::is_effective)
    }

    /// Links a wait to the current scope, so that its cancellation reaches it.
    #[inline]
    pub(crate) fn link_to_scope(&self, wait: WaitKey) {
        if let Some(scope) = self.scope() {
            // SAFETY: the current scope is entered, so it does not move and detaches its waits before it goes.
            unsafe { self.waits.link(wait, scope) };
        }
    }

    /// Links a wait to the scope in which its future is polled now. It may have been polled in another one before, which
    /// is over, or of which the future was taken out. True if the wait is new to the scope and the scope is cancelled:
    /// then the caller has to see to it that the wait ends.
    #[inline]
    pub(crate) fn follow_scope(&self, wait: WaitKey) -> bool {
        // SAFETY: the current scope is entered, so it does not move and detaches its waits before it goes.
        self.scope().is_some_and(|scope| unsafe { self.waits.relink(wait, scope) } && scope.is_effective())
    }

    /// Asks the driver to cancel an operation.
    #[inline]
    pub(crate) fn cancel_operation(&self, token: Token) {
        self.driver_mut().cancel(token);
    }

    /// Gives a scope a number under which other threads can name it, never used again.
    ///
    /// # Safety
    /// The node stays where it is, and calls `forget_remote` before it goes.
    pub(crate) unsafe fn register_remote(&self, scope: &Scope) -> u64 {
        let mut remotes = self.remotes.borrow_mut();
        remotes.last += 1;
        let id = remotes.last;
        remotes.scopes.insert(id, scope);
        id
    }

    pub(crate) fn forget_remote(&self, id: u64, scope: &Scope) {
        let mut remotes = self.remotes.borrow_mut();
        if remotes.scopes.get(&id).is_some_and(|known| ptr::eq(*known, scope)) {
            remotes.scopes.remove(&id);
        }
    }

    /// Whether other threads may have handles of scopes, other than that of the run's own for Ctrl-C.
    pub(super) fn has_remote_scopes(&self) -> bool {
        self.remotes.borrow().scopes.len() > usize::from(self.signals.has_run())
    }

    /// Cancels the scope of this number, if its body is still under way.
    pub(crate) fn cancel_remote(
        &self,
        id: u64,
        kind: ReasonKind,
        message: Option<String>,
        location: &'static Location<'static>,
    ) {
        let scope = self.remotes.borrow().scopes.get(&id).copied().unwrap_or(ptr::null());
        // SAFETY: a registered node is alive: it is forgotten before it goes.
        if let Some(scope) = unsafe { scope.as_ref() } {
            scope.cancel_with(kind, message, location);
        }
    }

    // ---- waking ----

    /// Whether what is woken now is woken by a completion, a timer or another thread.
    #[inline]
    pub(crate) fn is_dispatching(&self) -> bool {
        self.dispatching.get()
    }

    #[inline]
    pub(crate) fn wake_task(&self, task: TaskKey) {
        self.tasks.wake(self, task);
    }

    #[inline]
    pub(crate) fn wake_main(&self, urgent: bool) {
        if urgent {
            self.main_ready.set(MainReady::Urgent);
        } else if self.main_ready.get() == MainReady::No {
            self.main_ready.set(MainReady::Charged);
        }
    }

    /// Wakes a waker that is likely one of this executor's tasks.
    #[inline]
    pub(crate) fn wake_by_ref(&self, waker: &Waker) {
        match TaskKey::of(waker) {
            Some(task) if task.executor() == self.id() => self.wake_task(task),
            _ => waker.wake_by_ref(),
        }
    }

    /// Wakes what a wait has stored.
    #[inline]
    pub(crate) fn wake_stored(&self, waker: StoredWaker) {
        match waker.into_wakee() {
            Wakee::Nobody => {}
            Wakee::Task(task) if task.executor() == self.id() => self.wake_task(task),
            Wakee::Task(task) => task.wake(),
            Wakee::Foreign(waker) => self.wake_foreign(waker),
        }
    }

    /// Wakes a waker that is not anyio's: at once, or after the walk through the tree of scopes.
    pub(crate) fn wake_foreign(&self, waker: Waker) {
        if self.deferring.get() {
            self.deferred.borrow_mut().push(waker);
        } else {
            waker.wake();
        }
    }

    /// Says that the main task is over, and nothing more is to be polled.
    pub(crate) fn end_main(&self) {
        self.main_ready.set(MainReady::No);
    }

    /// Runs something that must not be interrupted by foreign code; foreign wakers are woken afterwards.
    pub(crate) fn deferring_foreign_wakes(&self, run: impl FnOnce(&Core)) {
        if self.deferring.replace(true) {
            return run(self);
        }
        run(self);
        self.deferring.set(false);
        let deferred = self.deferred.take();
        // One that panics must not cost the others their wake.
        let mut panic = None;
        for waker in deferred {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    /// Wakes another executor's driver by way of this thread's, if it has one that can do so now.
    pub(crate) fn unpark_from_here(other: &Unparker) -> bool {
        Self::try_with(|core| match core.try_driver_mut() {
            Some(mut driver) => {
                driver.unpark_other(other);
                true
            }
            None => false,
        }) == Some(true)
    }

    // ---- polling ----

    /// The task that is being polled.
    #[inline]
    pub(crate) fn task(&self) -> Option<TaskKey> {
        self.task.get()
    }

    /// Says which task is being polled; gives back which was.
    #[inline]
    pub(crate) fn begin_task(&self, task: TaskKey) -> Option<TaskKey> {
        self.immediate.set(IMMEDIATE);
        self.task.replace(Some(task))
    }

    #[inline]
    pub(crate) fn end_task(&self, outer: Option<TaskKey>) {
        self.task.set(outer);
    }

    /// Charges the poll of a task that was woken by a task. False if the turn's budget is spent.
    #[inline]
    pub(crate) fn charge(&self) -> bool {
        let budget = self.budget.get();
        self.budget.set(budget.saturating_sub(1));
        budget > 0
    }

    /// Counts something that was done without waiting. False if the task has done so much of it that it has to let
    /// others run first.
    #[inline]
    pub(crate) fn charge_immediate(&self) -> bool {
        let immediate = self.immediate.get();
        self.immediate.set(immediate.saturating_sub(1));
        immediate > 0
    }

    /// Whether the main task is to be polled.
    pub(super) fn is_main_ready(&self) -> bool {
        self.main_ready.get() != MainReady::No
    }

    /// Whether there is something to do before the driver is turned again.
    pub(super) fn has_work(&self) -> bool {
        let panic = self.panic.take();
        let panicked = panic.is_some();
        self.panic.set(panic);
        panicked || self.is_main_ready()
    }

    /// Whether the main task is to be polled in this turn.
    #[inline]
    pub(crate) fn take_main_ready(&self) -> bool {
        match self.main_ready.get() {
            MainReady::No => false,
            MainReady::Urgent => {
                self.main_ready.set(MainReady::No);
                true
            }
            MainReady::Charged => {
                let affordable = self.charge();
                if affordable {
                    self.main_ready.set(MainReady::No);
                }
                affordable
            }
        }
    }

    // ---- the driver ----

    /// Hands an operation to the driver. Tells whether it is done already; nobody is woken for that.
    ///
    /// # Safety
    /// As for [`Driver::submit`], for the slot's token.
    #[inline]
    pub(crate) unsafe fn submit(&self, wait: WaitKey, op: Op) -> bool {
        let mut driver = self.driver_mut();
        // SAFETY: passed on; the slot is taken, so no other operation has its index.
        unsafe { driver.submit(wait.token(), op) };
        let answer = driver.take_answer(wait.token());
        drop(driver);
        answer.is_some_and(|answer| {
            self.waits.complete(&answer);
            true
        })
    }

    /// Enters the kernel once, waits there if no task is ready, and wakes all for whom something has happened.
    ///
    /// # Errors
    /// If the driver is beyond use.
    pub(crate) fn turn(&self, limit: Option<Instant>) -> io::Result<()> {
        let mut wait = if self.main_ready.get() != MainReady::No {
            Wait::No
        } else if self.clock.is_virtual() {
            match limit {
                // The end of a run takes real time.
                Some(at) => Wait::Until(at),
                None => return self.turn_virtually(),
            }
        } else {
            match [limit, self.waits.next_timer()].into_iter().flatten().min() {
                Some(at) => Wait::Until(at),
                None => Wait::Forever,
            }
        };
        let watched = wait != Wait::No && !self.idle.is_empty();
        if watched {
            wait = Wait::No;
        }
        self.turn_driver(wait, watched).map(drop)
    }

    /// Enters the kernel once and wakes all for whom something has happened; if nothing has, and somebody watches for
    /// that, the watchers. Tells whether something has.
    ///
    /// # Errors
    /// If the driver is beyond use.
    #[inline]
    pub(super) fn turn_driver(&self, mut wait: Wait, watched: bool) -> io::Result<bool> {
        let inbox = self.lease.inbox();
        if wait != Wait::No && !inbox.fall_asleep() {
            wait = Wait::No;
        }
        let mut completions = self.completions.take();
        let turned = self.driver_mut().turn(wait, &mut completions);
        if wait != Wait::No {
            inbox.wake_up();
        }
        self.budget.set(BUDGET);
        self.dispatching.set(true);
        let mut undelivered = completions.iter();
        self.finish_despite_panics(|| {
            for completion in undelivered.by_ref() {
                self.deliver(completion);
            }
        });
        if !self.waits.has_no_timers() {
            let now = self.now();
            self.finish_despite_panics(|| {
                while let Some(expired) = self.waits.expire(now) {
                    match expired {
                        Expired::Wake(waker) => self.wake_stored(waker),
                        // SAFETY: a scope whose deadline expires is alive: it removes the deadline before it goes.
                        Expired::Deadline(scope) => unsafe { (*scope).expire(self) },
                    }
                }
            });
        }
        let mut news = !completions.is_empty();
        if self.signals.has_news() {
            self.signals.dispatch();
            news = true;
        }
        if inbox.has_messages() {
            self.read_messages();
            news = true;
        }
        self.dispatching.set(false);
        if watched && completions.is_empty() && self.main_ready.get() == MainReady::No {
            self.idle.notify_all();
        }
        completions.clear();
        self.completions.replace(completions);
        turned.map(|()| news)
    }

    fn read_messages(&self) {
        let mut messages = self.messages.take();
        self.lease.inbox().take(&mut messages);
        let mut unread = messages.drain(..);
        self.finish_despite_panics(|| {
            for message in unread.by_ref() {
                match message {
                    Message::Wake(task) => self.wake_task(task),
                    Message::Run(job) => job(self),
                }
            }
        });
        drop(unread);
        self.messages.replace(messages);
    }

    /// Calls a function until it returns: what it calls may be code of users (wakers, jobs, destructors of payloads)
    /// and panic, but what else has happened must be told all the same. The first panic ends the run.
    #[inline]
    fn finish_despite_panics(&self, mut dispatch: impl FnMut()) {
        while let Err(payload) = catch_unwind(AssertUnwindSafe(&mut dispatch)) {
            let first = self.panic.take();
            self.panic.set(Some(first.unwrap_or(payload)));
        }
    }

    /// What panicked outside of every task, if anything did.
    pub(crate) fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    #[inline]
    fn deliver(&self, completion: &Completion) {
        if completion.flags.contains(CompletionFlags::MORE) {
            return self.deliver_one_of_many(completion);
        }
        match self.waits.complete(completion) {
            Delivery::Wake(waker) => self.wake_stored(waker),
            Delivery::Orphan(disposer) => {
                if let Some(wait) = self.waits.of_token(completion.token) {
                    self.waits.remove(wait);
                }
                self.orphans.finish(self, disposer, completion);
            }
            Delivery::Stale => self.stale.set(self.stale.get() + 1),
        }
    }

    fn deliver_one_of_many(&self, completion: &Completion) {
        let Some(wait) = self.waits.of_token(completion.token) else {
            return self.stale.set(self.stale.get() + 1);
        };
        if let Some(disposer) = self.waits.disposer(wait) {
            return self.orphans.dispose_one_of_many(self, disposer, completion);
        }
        let (count, waker) = self.waits.push_result(wait, completion);
        if count >= super::MAX_QUEUED_RESULTS && self.waits.ask_cancel(wait) {
            self.cancel_operation(completion.token);
        }
        self.wake_stored(waker);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.waits.detach_everything();
        // SAFETY: the kernel has made these descriptors for listeners that can no longer take them.
        self.waits.take_accepted(|number| drop(unsafe { OwnedFd::from_raw_fd(number as RawFd) }));
        if self.driver.get_mut().in_flight() > 0 {
            self.orphans.give_up(self.run);
        }
    }
}

/// The scopes that other threads may name.
#[derive(Default)]
struct Remotes {
    last: u64,
    scopes: HashMap<u64, *const Scope>,
}

/// Takes the executor off its thread when dropped.
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
    }
}

/// Makes the outer scope current again when dropped.
pub(crate) struct CurrentScope<'a> {
    core: &'a Core,
    outer: *const Scope,
}

impl Drop for CurrentScope<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.scope.set(self.outer);
    }
}
