//! How long the head of a request may take.

use super::requests::{NextHead, Requests};
use anyio::{OnThread, current_time, sleep_until};
use hyper::rt::{Sleep, Timer};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// By when the head of a request must have come, which hyper sets and [`HeadClock`] looks after.
///
/// hyper makes a timer for each head, and heads that are late are few. So its timer is a note, and one timer of the run goes on
/// while heads come and go.
#[derive(Debug, Clone)]
pub(super) struct HeadLimit(Rc<Requests>);

impl HeadLimit {
    /// That of the connection with these requests.
    pub(super) fn of(requests: &Rc<Requests>) -> Self {
        Self(requests.clone())
    }

    /// The timer that hyper is given.
    pub(super) fn timer(&self) -> HeadTimer {
        HeadTimer(OnThread::new(self.clone()))
    }

    fn set(&self, due: Option<Instant>) {
        self.next_head().set(due);
    }

    fn next_head(&self) -> &NextHead {
        &self.0.next_head
    }
}

/// Makes the notes for hyper, which has one at a time.
pub(super) struct HeadTimer(OnThread<HeadLimit>);

struct HeadSleep(OnThread<HeadLimit>);

impl Future for HeadSleep {
    type Output = ();

    /// The task of the connection polls hyper when the time is over.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.next_head().is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl Sleep for HeadSleep {}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        // What is too far away never comes.
        self.0.set(current_time().checked_add(duration));
        Box::pin(HeadSleep(self.0.clone()))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.set(Some(deadline));
        Box::pin(HeadSleep(self.0.clone()))
    }

    fn now(&self) -> Instant {
        current_time()
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.0.set(Some(deadline));
    }
}

impl fmt::Debug for HeadTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeadTimer").field(&self.0).finish()
    }
}

/// Tells when the time of a head is over.
#[derive(Default)]
pub(super) struct HeadClock {
    /// Until when, and until then.
    sleep: Option<(Instant, anyio::Sleep)>,
}

impl HeadClock {
    /// Whether there is a limit for which nothing is set.
    pub(super) fn is_to_be_set(&self, limit: &HeadLimit) -> bool {
        self.sleep.is_none() && limit.next_head().due().is_some() && !limit.next_head().is_over()
    }

    /// Sets what is to be set, and tells whether the time is over.
    pub(super) fn look(&mut self, limit: &HeadLimit, cx: &mut Context<'_>) -> bool {
        loop {
            let Some((until, sleep)) = &mut self.sleep else {
                match limit.next_head().due() {
                    Some(due) if !limit.next_head().is_over() => self.sleep = Some((due, sleep_until(due))),
                    _ => return false,
                }
                continue;
            };
            match Pin::new(sleep).poll(cx) {
                Poll::Ready(Ok(())) => {}
                // In a cancelled scope no time is over.
                Poll::Ready(Err(_)) | Poll::Pending => return false,
            }
            let is_over = limit.next_head().due().is_some_and(|due| due <= *until);
            self.sleep = None;
            if is_over {
                limit.next_head().end();
                return true;
            }
        }
    }
}
