//! What all cores of a program have in common.

#[cfg(all(test, loom))]
mod interleavings;

use super::{mailbox::Mailbox, sharing::Sharing};
use crate::runtime::{FirstPanic, Load};
use anyio_driver::synchronization::{AtomicBool, AtomicUsize, Mutex, MutexGuard};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, Weak, atomic::Ordering},
};

/// The cores of one program.
pub(super) struct Set {
    members: Box<[Member]>,
    loads: Arc<[Arc<Load>]>,
    /// How many programs have not returned.
    programs: AtomicUsize,
    /// What is listened to on which addresses, as they were asked for.
    listening: Mutex<HashMap<Vec<SocketAddr>, Weak<Sharing>>>,
}

/// What others know of a core.
pub(super) struct Member {
    pub(super) mailbox: Mailbox,
    /// Whether its program has returned.
    has_returned: AtomicBool,
    /// The listeners of which the core has had a share.
    shares: Mutex<Vec<Weak<Sharing>>>,
}

impl Set {
    pub(super) fn new(count: usize) -> Self {
        let member = |_| Member {
            mailbox: Mailbox::default(),
            has_returned: AtomicBool::default(),
            shares: Mutex::default(),
        };
        Self {
            members: (0..count).map(member).collect(),
            loads: (0..count).map(|_| Arc::new(Load::new())).collect(),
            programs: AtomicUsize::from(count),
            listening: Mutex::default(),
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// How loaded the cores are. It is the same one as long as the set is.
    pub(super) fn loads(&self) -> &Arc<[Arc<Load>]> {
        &self.loads
    }

    pub(super) fn listening(&self) -> MutexGuard<'_, HashMap<Vec<SocketAddr>, Weak<Sharing>>> {
        // What may panic under the lock leaves it as it was.
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a core's program has returned. With the last of them all cores end, as soon as they have done what they were asked
    /// for. Tells whether that was the last.
    pub(super) fn program_returned(&self, index: usize) -> bool {
        if self.members[index].has_returned.swap(true, Ordering::SeqCst) {
            return false;
        }
        let is_last = self.programs.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last {
            for member in &self.members {
                member.mailbox.close();
            }
        }
        is_last
    }

    /// Says that a core is over: it does nothing more for others, and what waits for it goes to others or back.
    pub(super) fn leave(&self, index: usize) {
        self.program_returned(index);
        let member = &self.members[index];
        let panics = FirstPanic::new();
        // What was asked for belongs to users.
        panics.drop_each(member.mailbox.shut());
        for sharing in std::mem::take(&mut *member.shares()) {
            if let Some(sharing) = sharing.upgrade() {
                panics.catch(|| sharing.leave(index));
            }
        }
        self.loads[index].end();
        panics.resume();
    }
}

impl Member {
    fn shares(&self) -> MutexGuard<'_, Vec<Weak<Sharing>>> {
        // Only moves happen under the lock.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the core has a share of a listener, which it leaves at its end at the latest.
    pub(super) fn note_share(&self, sharing: &Arc<Sharing>) {
        let mut shares = self.shares();
        shares.retain(|known| known.strong_count() > 0);
        shares.push(Arc::downgrade(sharing));
    }
}
