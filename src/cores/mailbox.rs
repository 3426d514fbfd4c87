//! What other cores ask a core to do.
//!
//! It is not the queue of a portal: a portal waits for its jobs in a scope, which ends that wait, and shows it; a core
//! does what it was asked for also when its program is cancelled, and looks here between the polls of that program by one flag.

#[cfg(all(test, loom))]
pub(super) mod interleavings;

use crate::{
    error::Result,
    group::task_group,
    runtime::{Core as Executor, PanicPayload},
    to_thread::request::{Request, catch_panic},
};
use anyio_driver::synchronization::{AtomicBool, Mutex, MutexGuard};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker},
};

/// Where requests wait for their core. There is room for any number: who asks waits for the answer.
#[derive(Default)]
pub(super) struct Mailbox {
    contents: Mutex<Contents>,
    /// Whether there is something that the core has not seen.
    has_news: AtomicBool,
}

#[derive(Default)]
struct Contents {
    requests: VecDeque<Request>,
    closed: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Only moves happen under the lock.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut Contents)) {
        let waker = {
            let mut contents = self.contents();
            change(&mut contents);
            self.has_news.store(true, Ordering::Release);
            contents.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Leaves a request. Gives it back if the core takes none any more.
    pub(super) fn post(&self, request: Request) -> Result<(), Request> {
        let mut request = Some(request);
        self.tell(|contents| {
            if !contents.closed {
                contents.requests.extend(request.take());
            }
        });
        request.map_or(Ok(()), Err)
    }

    /// Refuses new requests. Those that are here are still done.
    pub(super) fn close(&self) {
        self.tell(|contents| contents.closed = true);
    }

    /// Refuses new requests, and gives up those that are here.
    pub(super) fn shut(&self) -> VecDeque<Request> {
        let mut left = VecDeque::new();
        self.tell(|contents| {
            contents.closed = true;
            left = std::mem::take(&mut contents.requests);
        });
        left
    }

    /// The next request, or `None` when there will be no more. As long as there is no news this takes no lock.
    fn poll_next(&self, cx: &Context<'_>, kept: &mut Option<Waker>) -> Poll<Option<Request>> {
        let is_kept = kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker()));
        if is_kept && !self.has_news.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Cloned before the lock is taken: it may be anyone's code.
        let waker = cx.waker().clone();
        *kept = Some(waker.clone());
        let _before = {
            let mut contents = self.contents();
            if let Some(request) = contents.requests.pop_front() {
                return Poll::Ready(Some(request));
            }
            if contents.closed {
                return Poll::Ready(None);
            }
            self.has_news.store(false, Ordering::Release);
            contents.waker.replace(waker)
        };
        Poll::Pending
    }

    async fn next(&self) -> Option<Request> {
        let mut kept = None;
        poll_fn(|cx| self.poll_next(cx, &mut kept)).await
    }

    /// Does what it is asked for, each in a task of its own, until the mailbox is closed and all of them have ended. The group
    /// is made when it is first needed. `panicked` is told of panics that nobody else hears of.
    pub(super) async fn serve(&self, panicked: impl Fn(PanicPayload)) {
        let Some(first) = self.next().await else { return };
        let panicked = &panicked;
        let serve = async |request: Request| {
            // Dropped within, so that a panic of what was captured counts, too.
            if let Err(payload) = catch_panic(async { request().await }).await {
                panicked(payload);
            }
        };
        let serve = &serve;
        let served = task_group(async move |tg| -> Result<()> {
            let mut next = Some(first);
            while let Some(request) = next {
                tg.start_soon(serve(request));
                // Others have their turn also where requests come without end.
                poll_fn(|cx| Executor::with(|core| core.poll_immediate(cx))).await;
                next = self.next().await;
            }
            Ok(())
        });
        // A cancellation at most, which the program itself is told of.
        drop(served.await);
    }
}
