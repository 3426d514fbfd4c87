//! A timer for deadlines of a run, which are on the real clock.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    thread,
    time::{Duration, Instant},
};
use tokio::time::{self, Sleep};

/// One of tokio's, or one of its own where tokio's clock is [paused](time::pause), so that it stands or runs ahead.
#[derive(Debug, Default)]
pub(crate) enum Timer {
    #[default]
    Unset,
    /// Set anew only when it would expire too late: deadlines come and go more often than they pass.
    OfTokio(Pin<Box<Sleep>>),
    Real(RealTimer),
}

impl Timer {
    /// Waits for a deadline, or for another one in place of that before.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Unset = self {
            *self = if is_paused() { Self::Real(RealTimer::new()?) } else { Self::of_tokio(deadline) };
        }
        if let Self::OfTokio(sleep) = self {
            ready!(poll_sleep(sleep, deadline.into(), cx));
            if Instant::now() >= deadline {
                return Poll::Ready(Ok(()));
            }
            // Tokio's clock is ahead.
            *self = Self::Real(RealTimer::new()?);
        }
        match self {
            Self::Real(timer) => timer.poll(deadline, cx).map(Ok),
            _ => Poll::Pending,
        }
    }

    fn of_tokio(deadline: Instant) -> Self {
        Self::OfTokio(Box::pin(time::sleep_until(deadline.into())))
    }
}

fn poll_sleep(sleep: &mut Pin<Box<Sleep>>, deadline: time::Instant, cx: &mut Context<'_>) -> Poll<()> {
    if sleep.deadline() > deadline {
        sleep.as_mut().reset(deadline);
    }
    ready!(sleep.as_mut().poll(cx));
    if sleep.deadline() < deadline {
        sleep.as_mut().reset(deadline);
        return sleep.as_mut().poll(cx);
    }
    Poll::Ready(())
}

/// Whether tokio's clock stands while the real one goes on.
fn is_paused() -> bool {
    let (before, real) = (time::Instant::now(), Instant::now());
    while real.elapsed() == Duration::ZERO {}
    time::Instant::now() == before
}

/// A thread that sleeps. It ends with this.
#[derive(Debug)]
pub(crate) struct RealTimer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    next: Option<(Instant, Waker)>,
    over: bool,
}

impl RealTimer {
    fn new() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("anyio-tokio-timer".to_owned()).spawn(move || of_thread.sleep())?;
        Ok(Self(shared))
    }

    fn poll(&self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        let fresh = cx.waker().clone();
        // What was there goes when the lock is free, as it is anyone's.
        let _before = self.0.wanted().next.replace((deadline, fresh));
        self.0.news.notify_one();
        Poll::Pending
    }
}

impl Drop for RealTimer {
    fn drop(&mut self) {
        let mut wanted = self.0.wanted();
        wanted.over = true;
        let _left = wanted.next.take();
        drop(wanted);
        self.0.news.notify_one();
    }
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        // Only moves happen under the lock.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever is due, until the timer is dropped.
    fn sleep(&self) {
        let mut wanted = self.wanted();
        while !wanted.over {
            let left = wanted.next.as_ref().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            wanted = match left {
                None => self.news.wait(wanted).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let due = wanted.next.take();
                    drop(wanted);
                    if let Some((_, waker)) = due {
                        waker.wake();
                    }
                    self.wanted()
                }
                Some(left) => self.news.wait_timeout(wanted, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}
