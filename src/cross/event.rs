//! Something that happens once, on any thread.

use super::sleepers::{Sleeper, Sleepers};
use crate::{error::Cancelled, runtime::WaitReason, scope::foreign_for, sync::EventStatistics};
use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
};

/// Something that happens once and that tasks on all threads can wait for. As [`sync::Event`](crate::sync::Event), but to
/// be shared between threads.
///
/// ```
/// use anyio::cross::Event;
/// use std::sync::Arc;
///
/// let event = Arc::new(Event::new());
/// let setter = event.clone();
/// let thread = std::thread::spawn(move || setter.set());
/// anyio::run(async || event.wait().await)?;
/// # thread.join().unwrap();
/// # anyio::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Event {
    set: AtomicBool,
    sleepers: Sleepers,
}

impl Event {
    /// An event that has not happened.
    pub const fn new() -> Self {
        Self { set: AtomicBool::new(false), sleepers: Sleepers::new() }
    }

    /// Makes it happen: wakes all who wait, on whatever thread. Does nothing the second time.
    pub fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.sleepers.wake_all();
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// How it stands.
    pub fn statistics(&self) -> EventStatistics {
        EventStatistics { tasks_waiting: self.sleepers.len() }
    }

    /// Waits until it has happened.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled first.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn wait(&self) -> Result<(), Cancelled> {
        let mut sleeper = Sleeper::new(&self.sleepers);
        let set = poll_fn(|cx| sleeper.poll(cx, || self.is_set().then_some(())));
        foreign_for(WaitReason::OtherThread, set).await
    }
}
