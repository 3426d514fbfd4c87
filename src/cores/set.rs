//! What all cores of a program have in common.

use super::{mailbox::Mailbox, sharing::Sharing};
use crate::runtime::{FirstPanic, Load};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// The cores of one program.
pub(super) struct Set {
    members: Box<[Member]>,
    /// What is listened to on which addresses, as they were asked for.
    listening: Mutex<HashMap<Vec<SocketAddr>, Weak<Sharing>>>,
}

/// What others know of a core.
pub(super) struct Member {
    pub(super) load: Arc<Load>,
    pub(super) mailbox: Mailbox,
    /// The listeners of which the core has had a share.
    shares: Mutex<Vec<Weak<Sharing>>>,
}

impl Set {
    pub(super) fn new(count: usize) -> Self {
        let member =
            |_| Member { load: Arc::new(Load::new()), mailbox: Mailbox::default(), shares: Mutex::default() };
        Self { members: (0..count).map(member).collect(), listening: Mutex::default() }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn listening(&self) -> MutexGuard<'_, HashMap<Vec<SocketAddr>, Weak<Sharing>>> {
        // What may panic under the lock leaves it as it was.
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a core is over: it does nothing more for others, and what waits for it goes to others or back.
    pub(super) fn leave(&self, index: usize) {
        let member = &self.members[index];
        let panics = FirstPanic::new();
        // What was asked for belongs to users.
        panics.drop_each(member.mailbox.shut());
        for sharing in std::mem::take(&mut *member.shares()) {
            if let Some(sharing) = sharing.upgrade() {
                panics.catch(|| sharing.leave(index));
            }
        }
        member.load.end();
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
