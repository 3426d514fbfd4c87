//! Driving a program to its end, and taking its run down.

use crate::{
    error::note_that_of_run,
    net::MakeResolver,
    runtime::{Blocking, Core, Deadline, MakeInstrument, Scope, TaskEnd, TaskKey, TaskKind, Waiting},
    signal::InterruptHandling,
};
use anyio_driver::Driver;
use pin_project_lite::pin_project;
use std::{
    any::Any,
    cell::Cell,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    ptr,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// The longest that the end of a run waits for what does not end.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

type Ended<T> = Result<T, Box<dyn Any + Send>>;

/// Finishes what waits for nothing, as all does whose [`Waiting`] is [`Blocking`].
pub(super) fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("who blocks the thread is never pending"),
    }
}

/// What a run begins with.
pub(super) struct Prepared<'a> {
    pub(super) core: Box<Core>,
    pub(super) teardown_limit: Duration,
    pub(super) interrupt: InterruptHandling,
    /// What is set up on the run's thread before its program is called.
    pub(super) resolver: Option<&'a MakeResolver>,
    pub(super) instruments: &'a [MakeInstrument],
}

/// Runs a program, takes its run down, and looks at the executor.
///
/// # Errors
/// As for `Builder::run`, and those of `begin`.
pub(super) async fn drive<T, R, W: Waiting>(
    run: Prepared<'_>,
    begin: impl FnOnce(&Core) -> io::Result<W>,
    main: impl AsyncFnOnce() -> T,
    look: impl FnOnce(&Core) -> R,
) -> io::Result<(T, R)> {
    let core = run.core;
    let _entered = core.enter()?;
    let teardown = Teardown { core: &core, limit: run.teardown_limit, is_due: true };
    let mut waiting = begin(&core)?;
    // Whatever panics, what is in flight has to be awaited.
    let ended = Caught::new(async {
        core.instruments().begin(run.instruments);
        if let Some(resolver) = run.resolver {
            resolver.install();
        }
        drive_main(&core, run.interrupt, &mut waiting, main).await
    })
    .await
    .unwrap_or_else(|payload| Ok(Err(payload)));
    teardown.take_down(&mut waiting).await;
    let value = ended?.unwrap_or_else(|payload| resume_unwind(payload));
    if core.panic().is_some() {
        core.panic().drop_each([value]);
        core.panic().resume();
        unreachable!("nothing else panics here");
    }
    core.driver().check()?;
    Ok((value, look(&core)))
}

/// Polls the main future, and turns the driver, until the future is ready.
async fn drive_main<T>(
    core: &Core,
    interrupt: InterruptHandling,
    waiting: &mut impl Waiting,
    main: impl AsyncFnOnce() -> T,
) -> io::Result<Ended<T>> {
    let scope = pin!(Scope::new_node(Deadline::NEVER, false));
    // SAFETY: the scope is pinned to this future; a root needs no parent.
    unsafe { scope.enter(core, None) };
    core.set_own_scope(&scope);
    // Also for what is called between the polls of tasks, and may poll futures itself.
    let _current = core.enter_scope(&scope);
    let _interrupt = interrupt.begin(core)?;
    let mut main = pin!(main());
    // Gone before the future: what that has left is a matter of the teardown.
    let task = MainTask::new(core);
    note_that_of_run(None);
    loop {
        while core.take_main_ready() {
            if let Some(ended) = task.poll(main.as_mut()) {
                note_that_of_run(scope.reason());
                // The rest of the run is teardown: dropping `main` here, and what it has in flight.
                return Ok(ended);
            }
        }
        if core.is_instrumented() {
            core.tell_of_turn(false);
        }
        core.turn(waiting, None).await?;
        if core.is_instrumented() {
            core.tell_of_turn(true);
        }
        if let Some(payload) = core.panic().take() {
            return Ok(Err(payload));
        }
    }
}

/// The task of the program itself, until it is dropped.
struct MainTask<'a> {
    core: &'a Core,
    task: TaskKey,
    end: Cell<TaskEnd>,
}

impl<'a> MainTask<'a> {
    fn new(core: &'a Core) -> Self {
        // SAFETY: a main task has no group.
        let task = unsafe { core.tasks().insert(ptr::null(), ptr::null(), 0) };
        if core.is_instrumented() {
            core.tell_of_start(task, TaskKind::Main, None, ptr::null(), None);
        }
        Self { core, task, end: Cell::new(TaskEnd::Dropped) }
    }

    fn poll<T>(&self, main: Pin<&mut impl Future<Output = T>>) -> Option<Ended<T>> {
        let waker = self.task.waker();
        let _step = self.core.begin_step(self.task);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _current = self.core.begin_task(self.task);
            main.poll(&mut Context::from_waker(&waker))
        }));
        match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(value)) => {
                self.end.set(TaskEnd::Finished);
                Some(Ok(value))
            }
            Err(payload) => {
                self.end.set(TaskEnd::Panicked);
                Some(Err(payload))
            }
        }
    }
}

impl Drop for MainTask<'_> {
    fn drop(&mut self) {
        self.core.tasks().remove(self.task);
        if self.core.is_instrumented() {
            self.core.tell_of_end(self.task, ptr::null(), self.end.get());
        }
    }
}

pin_project! {
    /// A future whose panic is its result.
    struct Caught<F> {
        #[pin]
        body: F,
    }
}

impl<F> Caught<F> {
    fn new(body: F) -> Self {
        Self { body }
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Ended<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let body = self.project().body;
        match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    }
}

/// The end of a run, which comes in any case: if it is not awaited it blocks the thread.
struct Teardown<'a> {
    core: &'a Core,
    limit: Duration,
    is_due: bool,
}

impl Teardown<'_> {
    async fn take_down(mut self, waiting: &mut impl Waiting) {
        take_down(self.core, self.limit, waiting).await;
        self.is_due = false;
    }
}

impl Drop for Teardown<'_> {
    fn drop(&mut self) {
        if self.is_due {
            finish(take_down(self.core, self.limit, &mut Blocking));
        }
    }
}

/// Cancels what is in flight, and awaits its end.
async fn reap(core: &Core, deadline: Instant, waiting: &mut impl Waiting) {
    while core.is_busy() && Instant::now() < deadline {
        // In each turn: a waker may begin more.
        core.empty_outbox();
        core.waits().cancel_operations(|token| core.cancel_operation(token));
        if let Err(error) = core.turn(waiting, Some(deadline)).await {
            log::warn!("the driver failed at the end of a run: {error}");
            break;
        }
    }
}

/// Waits until the kernel has let go of everything, cancelling what is in flight. What it does not let go of within the
/// limit is leaked.
async fn take_down(core: &Core, limit: Duration, waiting: &mut impl Waiting) {
    core.release_what_is_kept();
    core.end_main();
    core.empty_outbox();
    // As good as never, and a moment that the system can be asked for.
    let deadline = Instant::now() + limit.min(CENTURY);
    reap(core, deadline, waiting).await;
    core.panic().drop_each(core.lease().close());
    core.panic().catch(|| core.instruments().end().resume());
    // What was dropped just now is anyone's, and may have begun operations.
    reap(core, deadline, waiting).await;
    core.empty_outbox();
    let in_flight = core.driver().in_flight();
    if in_flight > 0 {
        let leaked = core.give_up_operations();
        log::warn!(
            "{in_flight} operations did not end with their run; the memory of {leaked} of them is leaked"
        );
    }
}
