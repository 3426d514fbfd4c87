//! What the cores have in common that share a listener.
//!
//! They share one socket, and not a socket each by `SO_REUSEPORT`. The connections that nobody has accepted yet are then nobody's: those
//! of a core that ends are accepted by the others, where the kernel would reset what waits at a socket of its own; and a core that
//! is busy for long keeps none waiting that an idle one could accept. The kernel wakes one core for a connection. If that one then
//! gives its accept up, nobody would be woken for it, so the others are told to look.

#[cfg(all(test, loom))]
mod interleavings;

use super::balance::{Known, choose};
use crate::{
    cross::Notifier,
    error::{Error, Result},
    runtime::{Counted, Load},
};
use anyio_driver::synchronization::{AtomicBool, Mutex, MutexGuard};
use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    io,
    os::fd::OwnedFd,
    sync::{Arc, OnceLock, PoisonError, atomic::Ordering},
    time::Instant,
};

/// A socket that listens, and where its connections go.
pub(super) struct Sharing {
    socket: OwnedFd,
    joined: OnceLock<Joined>,
}

struct Joined {
    /// Those of the cores that share it, which are known by them.
    loads: Arc<[Arc<Load>]>,
    slots: Box<[Slot]>,
    /// Connections for which nobody waited when they were to be handed on: the next who does gets them.
    unclaimed: Mutex<VecDeque<OwnedFd>>,
    has_unclaimed: AtomicBool,
}

/// One core's part.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Slot {
    share: Mutex<Share>,
    /// As in the share, to be read without the lock.
    accepting: AtomicBool,
    /// Whether the core is to look again whether there is something to accept.
    look: AtomicBool,
    /// Tells the core that something was put here.
    pub(super) news: Notifier,
}

#[derive(Default)]
struct Share {
    is_open: bool,
    /// Whether somebody on the core waits for a connection. Only then it gets those of others.
    accepting: bool,
    handed: VecDeque<Handed>,
}

/// A connection, counted as one of the core that is to have it.
pub(super) struct Handed {
    pub(super) connection: OwnedFd,
    pub(super) counted: Counted,
}

impl Slot {
    fn share(&self) -> MutexGuard<'_, Share> {
        // Only moves happen under the lock.
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_accepting(&self, share: &mut Share, accepting: bool) {
        share.accepting = accepting;
        // Whoever waits looks for unclaimed connections afterwards, and who leaves one looks for those who wait afterwards.
        self.accepting.store(accepting, Ordering::SeqCst);
    }

    /// Whether the core is to look again, which it does then.
    pub(super) fn take_look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }

    /// Whether others have handed nothing over that is still here.
    pub(super) fn is_empty(&self) -> bool {
        self.share().handed.is_empty()
    }

    /// Whether somebody waits here.
    pub(super) fn is_accepting(&self) -> bool {
        self.share().accepting
    }

    /// Puts a connection here, if somebody waits for one.
    fn put(&self, handed: Handed) -> Result<(), Handed> {
        {
            let mut share = self.share();
            if !share.accepting {
                return Err(handed);
            }
            share.handed.push_back(handed);
        }
        self.news.notify();
        Ok(())
    }
}

impl Sharing {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, joined: OnceLock::new() }
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    fn joined(&self) -> &Joined {
        self.joined.get().expect("only cores that have joined ask")
    }

    pub(super) fn slot(&self, index: usize) -> &Slot {
        &self.joined().slots[index]
    }

    /// Gives one of the cores that have these loads its share.
    ///
    /// # Errors
    /// If the core has one already, or others share the listener.
    pub(super) fn join(&self, loads: &Arc<[Arc<Load>]>, index: usize) -> Result<()> {
        let joined = self.joined.get_or_init(|| Joined {
            loads: loads.clone(),
            slots: loads.iter().map(|_| Slot::default()).collect(),
            unclaimed: Mutex::default(),
            has_unclaimed: AtomicBool::default(),
        });
        if !Arc::ptr_eq(&joined.loads, loads) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the cores of another run share it");
            return Err(Error::of_operation(error, "share a listener with", format_args!("core {index}")));
        }
        if std::mem::replace(&mut joined.slots[index].share().is_open, true) {
            return Err(Error::BusyResource("listening by this core's share of the listener"));
        }
        Ok(())
    }

    /// What is known of the cores that are accepting, without this one if it is to be left out.
    fn known(&self, without: Option<usize>) -> impl Iterator<Item = Option<Known>> + Clone {
        let Joined { loads, slots, .. } = self.joined();
        let now = Instant::now();
        slots.iter().zip(loads.iter()).enumerate().map(move |(index, (slot, load))| {
            let takes_some = slot.accepting.load(Ordering::Relaxed) && without != Some(index);
            takes_some.then(|| Known { lately: load.lately(now), connections: load.connections() as f32 })
        })
    }

    fn counted(&self, connection: OwnedFd, index: usize) -> Handed {
        Handed { connection, counted: Counted::new(&self.joined().loads[index]) }
    }

    /// Decides who serves a connection that this core has accepted: gives it back if that is the core itself.
    pub(super) fn place(&self, own: usize, connection: OwnedFd) -> Option<Handed> {
        let chosen = match self.joined().slots.len() {
            1 => own,
            _ => choose(own, self.known(None), any),
        };
        let mut handed = self.counted(connection, chosen);
        if chosen != own {
            match self.slot(chosen).put(handed) {
                Ok(()) => return None,
                // It has ended its accept meanwhile.
                Err(back) => handed = self.counted(back.connection, own),
            }
        }
        Some(handed)
    }

    /// Gives a connection, for which nobody waits any more on the core that has it, to one of those who do. Without any the
    /// next who does gets it. If all are gone it is closed.
    pub(super) fn pass_on(&self, from: usize, connection: OwnedFd) {
        let chosen = choose(from, self.known(Some(from)), any);
        let connection = match chosen == from {
            true => connection,
            false => match self.slot(chosen).put(self.counted(connection, chosen)) {
                Ok(()) => return,
                Err(back) => back.connection,
            },
        };
        let joined = self.joined();
        {
            let mut unclaimed = joined.unclaimed.lock().unwrap_or_else(PoisonError::into_inner);
            unclaimed.push_back(connection);
            joined.has_unclaimed.store(true, Ordering::SeqCst);
        }
        self.close_if_all_left();
        self.tell_all(|_| {});
    }

    /// Closes the connections that nobody can take any more.
    fn close_if_all_left(&self) {
        let joined = self.joined();
        let is_any_left = joined.slots.iter().any(|slot| slot.share().is_open);
        if is_any_left || !joined.has_unclaimed.load(Ordering::SeqCst) {
            return;
        }
        let unclaimed = {
            let mut unclaimed = joined.unclaimed.lock().unwrap_or_else(PoisonError::into_inner);
            joined.has_unclaimed.store(false, Ordering::SeqCst);
            std::mem::take(&mut *unclaimed)
        };
        drop(unclaimed);
    }

    /// What is to be served by a core: handed over to it, or unclaimed.
    pub(super) fn take(&self, index: usize) -> Option<Handed> {
        if let Some(handed) = self.slot(index).share().handed.pop_front() {
            return Some(handed);
        }
        let joined = self.joined();
        if !joined.has_unclaimed.load(Ordering::SeqCst) {
            return None;
        }
        let mut unclaimed = joined.unclaimed.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = unclaimed.pop_front();
        joined.has_unclaimed.store(!unclaimed.is_empty(), Ordering::SeqCst);
        drop(unclaimed);
        connection.map(|connection| self.counted(connection, index))
    }

    /// Whether there is something to take for a core.
    pub(super) fn has_some(&self, index: usize) -> bool {
        self.joined().has_unclaimed.load(Ordering::SeqCst) || !self.slot(index).is_empty()
    }

    /// Tells all cores that there is news. Those between two accepts find it as they begin the next.
    fn tell_all(&self, note: impl Fn(&Slot)) {
        for slot in &self.joined().slots {
            note(slot);
            slot.news.notify();
        }
    }

    /// Says that somebody waits for connections on a core.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if the core has given its share back.
    pub(super) fn begin_accepting(&self, index: usize) -> Result<()> {
        let slot = self.slot(index);
        let mut share = slot.share();
        if !share.is_open {
            return Err(Error::ClosedResource);
        }
        slot.set_accepting(&mut share, true);
        Ok(())
    }

    /// Says that nobody does any more.
    pub(super) fn end_accepting(&self, index: usize) {
        let slot = self.slot(index);
        slot.set_accepting(&mut slot.share(), false);
    }

    /// Gives what was handed to a core to others.
    pub(super) fn pass_left_on(&self, index: usize) {
        let handed = std::mem::take(&mut self.slot(index).share().handed);
        self.pass_all_on(index, handed);
    }

    /// Takes a core's share back, with what was handed to it.
    pub(super) fn leave(&self, index: usize) {
        let slot = self.slot(index);
        let handed = {
            let mut share = slot.share();
            share.is_open = false;
            slot.set_accepting(&mut share, false);
            std::mem::take(&mut share.handed)
        };
        self.pass_all_on(index, handed);
        self.close_if_all_left();
    }

    fn pass_all_on(&self, from: usize, handed: VecDeque<Handed>) {
        for Handed { connection, counted } in handed {
            drop(counted);
            self.pass_on(from, connection);
        }
    }

    /// Has the cores look whether there is something to accept, because one has given that up.
    pub(super) fn have_all_look(&self) {
        self.tell_all(|slot| slot.look.store(true, Ordering::Relaxed));
    }
}

/// A number below this one.
fn any(bound: usize) -> usize {
    (RandomState::new().hash_one(()) % bound as u64) as usize
}
