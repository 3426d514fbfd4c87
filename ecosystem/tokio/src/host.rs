//! Tokio as who waits.
//!
//! # Contract
//! A descriptor that is registered with tokio is owned by what registers it.

use crate::timer::Timer;
use anyio::lowlevel::Host;
use std::{future::poll_fn, io, os::fd::OwnedFd, task::Poll, time::Instant};
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
    task,
};

/// The runtime of tokio's in which it is made, as the host of a run: for
/// [`Builder::run_as_guest`](anyio::Builder::run_as_guest), of which [`guest`](crate::guest) is the short form.
#[derive(Debug)]
pub struct TokioHost {
    news: AsyncFd<OwnedFd>,
    timer: Timer,
    /// Whether nothing but its tasks goes on in the runtime.
    has_tasks_only: bool,
}

impl TokioHost {
    /// The current runtime, which is to wait for this descriptor.
    ///
    /// # Errors
    /// If the system does not let the descriptor be watched.
    ///
    /// # Panics
    /// Outside of a runtime of tokio's, or if that is built without `enable_io`.
    pub fn new(news: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is owned by what is registered, so it is the same and open for as long.
        let news = unsafe { AsyncFd::register_with_interest(news, Interest::READABLE)? };
        Ok(Self { news, timer: Timer::default(), has_tasks_only: false })
    }

    /// The same for a runtime in which all that goes on beside the run are tasks, as in that of [`run`](crate::run). A run with a
    /// virtual clock can be certain of a deadlock there, when there are none.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    /// As for [`new`](Self::new).
    pub fn beside_tasks(news: OwnedFd) -> io::Result<Self> {
        Self::new(news).map(|host| Self { has_tasks_only: true, ..host })
    }
}

impl Host for TokioHost {
    async fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        poll_fn(|cx| {
            if let Poll::Ready(ready) = self.news.poll_read_ready(cx) {
                ready?.clear_ready();
                return Poll::Ready(Ok(()));
            }
            match deadline {
                Some(deadline) => self.timer.poll(deadline, cx),
                None => Poll::Pending,
            }
        })
        .await
    }

    async fn give_way(&mut self) {
        task::yield_now().await;
    }

    fn is_alone(&self) -> bool {
        self.has_tasks_only && Handle::current().metrics().num_alive_tasks() == 0
    }
}
