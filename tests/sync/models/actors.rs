//! Tasks that wait for one thing, and can be cancelled or told to drop their wait.

use anyio::{CancelScope, Error, Result, TaskGroup, sync::Event};
use std::{cell::RefCell, future::poll_fn, pin::pin, rc::Rc, task::Poll};

/// How one can meddle with a task.
pub(crate) struct Actor {
    pub(crate) number: u32,
    pub(crate) scope: CancelScope,
    dropping: Rc<Event>,
}

/// What came out of the waits that ended, by the numbers of their tasks; nothing of those that were cancelled or dropped.
pub(crate) type Ended<T> = RefCell<Vec<(u32, Option<T>)>>;

impl Actor {
    /// Starts a task that waits, in a scope of its own.
    pub(crate) fn start<'scope, 'env, T: 'scope>(
        tg: &'scope TaskGroup<'scope, 'env, Error>,
        number: u32,
        ended: &'scope Ended<T>,
        wait: impl Future<Output = Result<T>> + 'scope,
    ) -> Self {
        let actor = Self { number, scope: CancelScope::new(), dropping: Rc::new(Event::new()) };
        let (scope, dropping) = (actor.scope.clone(), actor.dropping.clone());
        tg.start_soon(async move {
            let waited = async || -> Result<Option<T>> {
                let mut wait = pin!(wait);
                let mut told = Some(Box::pin(dropping.wait()));
                poll_fn(|cx| {
                    // Only its wake-up counts: a task that is told to drop its wait does so before that is polled.
                    if told.as_mut().is_some_and(|told| told.as_mut().poll(cx).is_ready()) {
                        told = None;
                    }
                    if dropping.is_set() {
                        Poll::Ready(Ok(None))
                    } else {
                        wait.as_mut().poll(cx).map_ok(Some)
                    }
                })
                .await
            };
            let result = scope.run(waited).await?.flatten();
            ended.borrow_mut().push((number, result));
            anyio::Ok(())
        });
        actor
    }

    /// Tells the task to drop its wait, which it does when it runs next.
    pub(crate) fn drop_wait(&self) {
        self.dropping.set();
    }
}
