//! One executor on each of several cores.

use super::{
    core::Core,
    extent::Extent,
    pinning::{pin_to, processors},
    set::Set,
};
use crate::{
    error::{CancelAware, Error, ErrorGroup},
    lowlevel,
    running::Builder,
    runtime::{
        Core as Executor, FirstPanic, ReasonKind, RemoteScope,
        clock::{JobKind, JobUnderWay},
        text_in,
    },
    scope::current_cancel_reason,
    to_thread::request::catch_panic,
};
use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    thread,
};

/// Runs the same program on several cores, with the default options: `Builder::new().run_on_cores(count, main)`.
///
/// ```
/// use anyio::{Core, Result, run_on_cores};
///
/// let squares = run_on_cores(2, async |core: &Core| -> Result<usize> { Ok(core.index() * core.index()) })?;
/// assert_eq!(squares, Some(vec![0, 1]));
/// # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
/// ```
///
/// # Errors
/// As for [`Builder::run_on_cores`].
///
/// # Panics
/// As for [`Builder::run_on_cores`].
pub fn run_on_cores<T, E, Via, F>(count: usize, main: F) -> Result<Option<Vec<T>>, ErrorGroup<E>>
where
    T: Send,
    E: CancelAware<Via> + From<Error> + Send,
    F: AsyncFn(&Core) -> Result<T, E> + Sync,
{
    Builder::new().run_on_cores(count, main)
}

/// What the cores have in common while they run.
struct Shared<E> {
    errors: Mutex<Vec<E>>,
    /// The scopes of the cores that have begun, and why they are to be cancelled, if they are, with those that begin later.
    scopes: Mutex<(Vec<RemoteScope>, Option<Reason>)>,
}

/// Why all cores are cancelled.
#[derive(Clone)]
struct Reason {
    kind: ReasonKind,
    text: Option<String>,
}

impl Reason {
    fn tell(&self, scope: &RemoteScope) {
        scope.cancel_for(self.kind, self.text.clone());
    }
}

impl<E> Shared<E> {
    /// Takes a core's scope in, so that others can cancel it.
    fn begin(&self, scope: RemoteScope) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &scopes.1 {
            reason.tell(&scope);
        }
        scopes.0.push(scope);
    }

    fn fail(&self, error: Option<E>, text: String) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).extend(error);
        self.cancel(Reason { kind: ReasonKind::SiblingFailed, text: Some(text) });
    }

    /// Cancels all cores.
    fn cancel(&self, reason: Reason) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        for scope in &scopes.0 {
            reason.tell(scope);
        }
        scopes.1.get_or_insert(reason);
    }
}

impl Builder {
    /// Runs the same program on several cores: one thread each, pinned to a processor of its own as far as there are
    /// enough, with an executor and a driver of its own. `main` is called on each; its future stays there.
    ///
    /// The cores form a group: when one fails or panics the others are cancelled, with a reason that says so, and all are awaited. The
    /// values come out in the order of the cores. `Ok(None)` means that some core ended with a cancellation and none failed.
    ///
    /// A core whose program has returned goes on with what other cores ask of it ([`Core::run`]), until the programs of all cores have.
    ///
    /// # Errors
    /// The errors of all cores, first in time first. That of the first core whose driver or thread could not be set up,
    /// converted from [`Error::Io`].
    ///
    /// # Panics
    /// If `main` does on one of the cores, after the others were cancelled and awaited; or if `count` is 0.
    pub fn run_on_cores<T, E, Via, F>(&self, count: usize, main: F) -> Result<Option<Vec<T>>, ErrorGroup<E>>
    where
        T: Send,
        E: CancelAware<Via> + From<Error> + Send,
        F: AsyncFn(&Core) -> Result<T, E> + Sync,
    {
        assert!(count > 0, "a program needs at least one core");
        let on_each = self.clone().decide_interrupt_here();
        let shared = Shared { errors: Mutex::default(), scopes: Mutex::default() };
        let (set, processors) = (Arc::new(Set::new(count)), processors());
        let (values, panics) = thread::scope(|threads| {
            let mut running = Vec::new();
            for index in 0..count {
                let (main, shared, processor) = (&main, &shared, processors.get(index).copied());
                let (on_each, core) = (&on_each, Core::new(&set, index));
                let body = move || {
                    // A processor that is not to be had makes the core slower, not wrong.
                    if let Some(processor) = processor {
                        pin_to(processor);
                    }
                    on_each.run_core(&core, main, shared)
                };
                match thread::Builder::new().name(format!("anyio-core-{index}")).spawn_scoped(threads, body) {
                    Ok(thread) => running.push(thread),
                    Err(error) => {
                        set.leave(index);
                        shared.fail(Some(error_of(error, "start a thread", index)), not_begun(index));
                    }
                }
            }
            let panics = FirstPanic::new();
            let mut values = Vec::new();
            for thread in running {
                match thread.join() {
                    Ok(value) => values.extend(value),
                    Err(payload) => panics.keep(payload),
                }
            }
            (values, panics)
        });
        panics.resume();
        match ErrorGroup::new(shared.errors.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            Some(errors) => Err(errors),
            None => Ok((values.len() == count).then_some(values)),
        }
    }

    /// Runs one core. Gives its value, if it has one; errors and panics go to the others.
    fn run_core<T, E, Via>(
        &self,
        core: &Core,
        main: &impl AsyncFn(&Core) -> Result<T, E>,
        shared: &Shared<E>,
    ) -> Option<T>
    where
        E: CancelAware<Via> + From<Error>,
    {
        let others = CancelOnPanic { shared, index: core.index() };
        let ended = {
            let _entered = core.enter();
            self.run(async || {
                shared.begin(lowlevel::current_scope_remote());
                drive(core, main, shared).await
            })
        };
        std::mem::forget(others);
        ended.unwrap_or_else(|error| {
            shared.fail(Some(error_of(error, "run", core.index())), not_begun(core.index()));
            None
        })
    }
}

/// Does what the program does on one core, and what other cores ask of it meanwhile, until both have ended. A panic goes on then.
async fn drive<T, E, Via>(
    core: &Core,
    main: &impl AsyncFn(&Core) -> Result<T, E>,
    shared: &Shared<E>,
) -> Option<T>
where
    E: CancelAware<Via>,
{
    let panics = FirstPanic::new();
    let index = core.index();
    let panicked = |payload| {
        shared.fail(None, format!("core {index} panicked: {}", text_in(&payload)));
        panics.keep(payload);
    };
    let mailbox = &core.member().mailbox;
    let (mut value, mut waiting) = (None, None);
    {
        let mut program = pin!(async {
            match catch_panic(Extent::new(async { shared.settle(index, main(core).await) })).await {
                Ok(ended) => value = ended,
                Err(payload) => panicked(payload),
            }
            if !core.set().program_returned(index) {
                // A virtual clock is not to take that for a deadlock.
                waiting = Some(Executor::with(|core| JobUnderWay::new(core, JobKind::Awaited)));
            }
        });
        let mut asked = pin!(mailbox.serve(&panicked));
        let (mut goes_on, mut is_asked) = (true, true);
        poll_fn(|cx| {
            goes_on = goes_on && program.as_mut().poll(cx).is_pending();
            is_asked = is_asked && asked.as_mut().poll(cx).is_pending();
            if goes_on || is_asked { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
    drop(waiting);
    if panics.is_some() {
        panics.drop_each(value.take());
        panics.resume();
    }
    value
}

impl<E> Shared<E> {
    /// What a core has come to: its value, or an error that goes to the others.
    fn settle<T, Via>(&self, index: usize, result: Result<T, E>) -> Option<T>
    where
        E: CancelAware<Via>,
    {
        // A core that had not begun when the signal came has not heard of it.
        if current_cancel_reason().is_some_and(|reason| reason.kind() == ReasonKind::Interrupt) {
            self.cancel(Reason { kind: ReasonKind::Interrupt, text: None });
        }
        let is_told = |error: &E| {
            error.is_cancelled() && lowlevel::is_cancelled()
                || error.is_finishing() && lowlevel::is_finishing()
        };
        match result {
            Ok(value) => Some(value),
            Err(error) if is_told(&error) => None,
            Err(error) => {
                let text = format!("core {index} failed: {}", error.as_error());
                self.fail(Some(error), text);
                None
            }
        }
    }
}

/// Cancels the other cores when dropped, which only a panic does.
struct CancelOnPanic<'a, E> {
    shared: &'a Shared<E>,
    index: usize,
}

impl<E> Drop for CancelOnPanic<'_, E> {
    fn drop(&mut self) {
        self.shared.fail(None, format!("core {} panicked", self.index));
    }
}

fn not_begun(core: usize) -> String {
    format!("core {core} cannot run")
}

fn error_of<E: From<Error>>(error: io::Error, operation: &'static str, core: usize) -> E {
    Error::of_operation(error, operation, format_args!("core {core}")).into()
}
