//! An event loop that is never asleep.

use anyio::lowlevel::Host;
use std::{future::poll_fn, io, os::fd::OwnedFd, task::Poll, time::Instant};

/// A host that looks for news again and again.
pub(crate) struct BusyHost {
    _news: OwnedFd,
}

impl BusyHost {
    pub(crate) fn new(news: OwnedFd) -> io::Result<Self> {
        Ok(Self { _news: news })
    }
}

impl Host for BusyHost {
    async fn wait(&mut self, _deadline: Option<Instant>) -> io::Result<()> {
        self.give_way().await;
        Ok(())
    }

    async fn give_way(&mut self) {
        let mut has_waited = false;
        poll_fn(|_| {
            if has_waited {
                return Poll::Ready(());
            }
            has_waited = true;
            Poll::Pending
        })
        .await;
    }
}
