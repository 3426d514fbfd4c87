//! One executor on each of several cores.

use super::{
    builder::Builder,
    pinning::{pin_to, processors},
};
use crate::{
    error::{CancelAware, Error, ErrorGroup},
    lowlevel,
    runtime::{FirstPanic, ReasonKind, RemoteScope},
    scope::current_cancel_reason,
};
use std::{
    io,
    sync::{Mutex, PoisonError},
    thread,
};

/// Which of several cores this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Core {
    index: usize,
    count: usize,
}

impl Core {
    /// The core's number, from 0 on.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many cores there are.
    pub fn count(&self) -> usize {
        self.count
    }
}

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
    scopes: Mutex<(Vec<RemoteScope>, Option<ReasonKind>)>,
}

impl<E> Shared<E> {
    /// Takes a core's scope in, so that others can cancel it.
    fn begin(&self, scope: RemoteScope) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = scopes.1 {
            scope.cancel_for(kind, None);
        }
        scopes.0.push(scope);
    }

    fn fail(&self, error: Option<E>) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).extend(error);
        self.cancel(ReasonKind::SiblingFailed);
    }

    /// Cancels all cores.
    fn cancel(&self, kind: ReasonKind) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.1.get_or_insert(kind);
        for scope in &scopes.0 {
            scope.cancel_for(kind, None);
        }
    }
}

impl Builder {
    /// Runs the same program on several cores: one thread each, pinned to a processor of its own as far as there are
    /// enough, with an executor and a driver of its own. `main` is called on each; its future stays there.
    ///
    /// The cores form a group: when one fails the others are cancelled, and all are awaited. The values come out in the
    /// order of the cores. `Ok(None)` means that some core ended with a cancellation and none failed.
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
        let processors = processors();
        let (values, panics) = thread::scope(|threads| {
            let mut running = Vec::new();
            for index in 0..count {
                let (main, shared, processor) = (&main, &shared, processors.get(index).copied());
                let on_each = &on_each;
                let body = move || {
                    // A processor that is not to be had makes the core slower, not wrong.
                    if let Some(processor) = processor {
                        pin_to(processor);
                    }
                    on_each.run_core(&Core { index, count }, main, shared)
                };
                match thread::Builder::new().name(format!("anyio-core-{index}")).spawn_scoped(threads, body) {
                    Ok(thread) => running.push(thread),
                    Err(error) => shared.fail(Some(error_of(error, "start a thread", index))),
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
        let others = CancelOnPanic(shared);
        let ended = self.run(async || {
            shared.begin(lowlevel::current_scope_remote());
            let result = main(core).await;
            // A core that had not begun when the signal came has not heard of it.
            if current_cancel_reason().is_some_and(|reason| reason.kind() == ReasonKind::Interrupt) {
                shared.cancel(ReasonKind::Interrupt);
            }
            let is_told = |error: &E| {
                error.is_cancelled() && lowlevel::is_cancelled()
                    || error.is_finishing() && lowlevel::is_finishing()
            };
            if result.as_ref().is_err_and(is_told) {
                return None;
            }
            Some(result)
        });
        std::mem::forget(others);
        match ended {
            Ok(Some(Ok(value))) => return Some(value),
            Ok(Some(Err(error))) => shared.fail(Some(error)),
            Ok(None) => {}
            Err(error) => shared.fail(Some(error_of(error, "run", core.index))),
        }
        None
    }
}

/// Cancels the other cores when dropped, which only a panic does.
struct CancelOnPanic<'a, E>(&'a Shared<E>);

impl<E> Drop for CancelOnPanic<'_, E> {
    fn drop(&mut self) {
        self.0.fail(None);
    }
}

fn error_of<E: From<Error>>(error: io::Error, operation: &'static str, core: usize) -> E {
    Error::of_operation(error, operation, format_args!("core {core}")).into()
}
