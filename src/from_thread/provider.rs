//! One portal for all who need one at a time.

use super::{
    portal::BlockingPortal,
    running::{RunningPortal, start_blocking_portal},
};
use crate::running::Builder;
use std::{
    fmt, io,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    leased: Mutex<Option<Leased>>,
}

struct Leased {
    portal: RunningPortal,
    leases: usize,
}

/// A share of a portal. Made by [`BlockingPortalProvider::acquire`].
///
/// Dropping the last ends the portal, and waits for its tasks.
pub struct PortalLease {
    portal: BlockingPortal,
    shared: Arc<Shared>,
}

impl BlockingPortalProvider {
    /// One that starts its portals like this.
    pub fn new(builder: Builder) -> Self {
        Self(Arc::new(Shared { builder, leased: Mutex::new(None) }))
    }

    /// A share of the portal, which is started if nobody has one.
    ///
    /// # Errors
    /// As for [`start_blocking_portal`].
    pub fn acquire(&self) -> io::Result<PortalLease> {
        let mut leased = self.0.leased();
        let leased = match &mut *leased {
            Some(leased) => leased,
            none => none.insert(Leased { portal: start_blocking_portal(&self.0.builder)?, leases: 0 }),
        };
        leased.leases += 1;
        Ok(PortalLease { portal: BlockingPortal::clone(&leased.portal), shared: Arc::clone(&self.0) })
    }
}

impl Shared {
    fn leased(&self) -> MutexGuard<'_, Option<Leased>> {
        // What is changed under the lock is whole at each step.
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for PortalLease {
    type Target = BlockingPortal;

    fn deref(&self) -> &BlockingPortal {
        &self.portal
    }
}

impl Drop for PortalLease {
    fn drop(&mut self) {
        let last = {
            let mut leased = self.shared.leased();
            match &mut *leased {
                Some(Leased { leases: 1, .. }) | None => leased.take(),
                Some(others) => {
                    others.leases -= 1;
                    None
                }
            }
        };
        // It waits for tasks, which may want a share of the next portal.
        drop(last);
    }
}

impl fmt::Debug for BlockingPortalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leases = self.0.leased().as_ref().map_or(0, |leased| leased.leases);
        f.debug_struct("BlockingPortalProvider").field("leases", &leases).finish_non_exhaustive()
    }
}

impl fmt::Debug for PortalLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PortalLease").field(&self.portal).finish()
    }
}
