//! What a thread asks a run to do, and the answer.

use super::reply::{Answer, Replier, Reply, reply};
use crate::{
    lowlevel::RunToken,
    runtime::{Bindings, InContext, Within},
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    task::Poll,
};

/// A future that stays on the thread on which it was made.
pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Makes a future on the thread of the run that is asked.
pub(crate) type Request = Box<dyn FnOnce() -> LocalFuture + Send>;

/// A request to this run to call this function, and where its answer comes.
pub(crate) fn request<T: Send + 'static>(
    run: RunToken,
    function: impl AsyncFnOnce() -> T + Send + 'static,
) -> (Request, Reply<T>) {
    let (replier, reply) = reply(run);
    let request: Request = Box::new(move || {
        Box::pin(async move {
            // Made within, so that a panic of the function itself is an answer too.
            let result = catch_panic(async { function().await }).await;
            answer(replier, result);
        })
    });
    (request, reply)
}

/// The same request with the values that tasks inherit, as they are on this thread.
pub(crate) fn inheriting(request: Request) -> Request {
    match Bindings::current() {
        None => request,
        bindings => Box::new(move || {
            let bindings = Cell::new(bindings);
            let future = {
                let _within = Within::enter(&bindings);
                request()
            };
            Box::pin(InContext::new(bindings.into_inner(), future))
        }),
    }
}

/// Gives an answer. A panic that nobody waits for goes on here.
pub(crate) fn answer<T>(replier: Replier<T>, result: Answer<T>) {
    if let Err(Err(payload)) = replier.give(result) {
        resume_unwind(payload);
    }
}

/// What a future gives, or what it panicked with.
pub(crate) async fn catch_panic<T>(future: impl Future<Output = T>) -> Answer<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

/// The value in an answer; a panic goes on on the thread that asked.
pub(crate) fn value_of<T>(answer: Answer<T>) -> T {
    answer.unwrap_or_else(|payload| resume_unwind(payload))
}
