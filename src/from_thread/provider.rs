//! One portal for all who need one at a time.

use super::{
    portal::BlockingPortal,
    running::{RunningPortal, start_blocking_portal},
};
use crate::running::Builder;
use std::{
    fmt, io,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Shares one portal, with its thread, among all who need one: the first starts it, and the last ends it.
///
/// ```
/// use anyio::{Builder, from_thread::BlockingPortalProvider};
///
/// let provider = BlockingPortalProvider::new(Builder::new());
/// let (first, second) = (provider.acquire()?, provider.acquire()?);
/// assert_eq!(first.call(async || 1)? + second.call(async || 2)?, 3);
/// # anyio::Ok(())
/// ```
#[derive(Clone)]
pub struct BlockingPortalProvider(Arc<Shared>);

struct Shared {
    builder: Builder,
    /// That of all who have a share. It is gone when the last of them is.
    portal: Mutex<Weak<RunningPortal>>,
}

/// A share of a portal. Made by [`BlockingPortalProvider::acquire`].
///
/// Dropping the last ends the portal, and waits for its tasks, as dropping a [`RunningPortal`] does.
pub struct PortalLease(Arc<RunningPortal>);

impl BlockingPortalProvider {
    /// One that starts its portals like this.
    pub fn new(builder: Builder) -> Self {
        Self(Arc::new(Shared { builder, portal: Mutex::default() }))
    }

    /// A share of the portal, which is started if nobody has one, or if somebody has stopped it or its run has ended.
    ///
    /// # Errors
    /// As for [`start_blocking_portal`].
    pub fn acquire(&self) -> io::Result<PortalLease> {
        // Should this have become the last share of a portal that is of no use, it ends when the lock is free.
        let known;
        let mut portal = self.0.portal();
        known = portal.upgrade();
        if let Some(usable) = known.as_ref().filter(|portal| !portal.is_stopped()) {
            return Ok(PortalLease(Arc::clone(usable)));
        }
        let new = Arc::new(start_blocking_portal(&self.0.builder)?);
        *portal = Arc::downgrade(&new);
        Ok(PortalLease(new))
    }
}

impl Shared {
    fn portal(&self) -> MutexGuard<'_, Weak<RunningPortal>> {
        // What is changed under the lock is whole at each step.
        self.portal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for PortalLease {
    type Target = BlockingPortal;

    fn deref(&self) -> &BlockingPortal {
        &self.0
    }
}

impl fmt::Debug for BlockingPortalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leases = self.0.portal().strong_count();
        f.debug_struct("BlockingPortalProvider").field("leases", &leases).finish_non_exhaustive()
    }
}

impl fmt::Debug for PortalLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PortalLease").field(&**self).finish()
    }
}
