//! What the attribute writes into the programs that have it. Nothing here is for others.

pub use async_trait::async_trait;

use anyio::OnThread;
use std::{future::Future, pin::Pin};

/// A future that stays on its thread, and says that it is `Send`.
pub fn on_thread<'a, T>(
    future: impl Future<Output = T> + 'a,
) -> OnThread<Pin<Box<dyn Future<Output = T> + 'a>>> {
    OnThread::new(Box::pin(future))
}
