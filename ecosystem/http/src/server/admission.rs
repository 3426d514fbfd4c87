//! How many requests are handled at the same time, and for how long.

use super::{connection::Connection, request_task::Handled};
use anyio::{
    CancelScope, Result,
    sync::{Semaphore, SemaphorePermit},
};
use http::Version;
use std::{any::Any, future::Future};

/// What a request has while it is handled: that of its connection, and of the server.
pub(super) type Permits<'a> = [Option<SemaphorePermit<'a>>; 2];

impl Connection<'_> {
    /// What limits how many requests are handled at the same time.
    fn limits(&self, version: Version) -> [Option<&Semaphore>; 2] {
        [self.streams(version), self.server().requests.as_ref()]
    }

    /// The permits of a request that is handled at once, for as long as it likes.
    #[inline]
    pub(super) fn admit(&self, version: Version) -> Option<Permits<'_>> {
        let server = self.server();
        if server.options.request_timeout.is_some() {
            return None;
        }
        let of_connection = match self.streams(version) {
            Some(streams) => Some(streams.try_acquire().ok()?),
            None => None,
        };
        let of_server = match &server.requests {
            Some(requests) => Some(requests.try_acquire().ok()?),
            None => None,
        };
        Some([of_connection, of_server])
    }

    /// Waits for the permits of a request, that of its connection first: what waits for that keeps no others waiting.
    async fn acquire(&self, version: Version) -> Result<Permits<'_>> {
        let mut permits = [None, None];
        for (limit, permit) in self.limits(version).into_iter().zip(&mut permits) {
            if let Some(limit) = limit {
                *permit = Some(limit.acquire().await?);
            }
        }
        Ok(permits)
    }

    /// Has a request handled when there is room for it, and for no longer than it may take.
    pub(super) async fn handle_within_limits<T>(
        &self,
        version: Version,
        handled: impl Future<Output = Result<T, Box<dyn Any + Send>>>,
    ) -> Result<Handled<T>> {
        let handle = async || {
            let _permits = self.acquire(version).await?;
            Ok(handled.await)
        };
        let Some(limit) = self.server().options.request_timeout else { return handle().await.map(Some) };
        let scope = CancelScope::new().with_timeout(limit);
        let handled = scope.run(handle).await?;
        // What comes too late is no answer, but a panic is one whenever it comes.
        Ok(handled.filter(|handled| handled.is_err() || !scope.cancel_called()))
    }
}
