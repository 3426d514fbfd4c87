//! What the cores have in common that share a listener.
//!
//! They share one socket, and not a socket each by `SO_REUSEPORT`. The connections that nobody has accepted yet are then nobody's: those
//! of a core that ends are accepted by the others, where the kernel would reset what waits at a socket of its own; and a core that
//! is busy for long keeps none waiting that an idle one could accept. The kernel wakes one core for a connection. If that one then
//! gives its accept up, nobody would be woken for it, so the others are told to look.

use super::{
    balance::{Known, choose},
    core::Core,
    set::Set,
};
use crate::{
    cross::Notifier,
    error::{Error, Result},
    runtime::Counted,
};
use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// A socket that listens, and where its connections go.
pub(super) struct Sharing {
    socket: OwnedFd,
    joined: OnceLock<Joined>,
}

struct Joined {
    set: Arc<Set>,
    slots: Box<[Slot]>,
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
    /// Whether it will be looked whether connections are left here.
    checking: AtomicBool,
    /// Tells the core that something was put here.
    pub(super) news: Notifier,
}

#[derive(Default)]
struct Share {
    is_open: bool,
    /// Whether somebody on the core waits for a connection. Only then it gets some of others.
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
        self.accepting.store(accepting, Ordering::Relaxed);
    }

    /// Whether the core is to look again, which it does then.
    pub(super) fn take_look(&self) -> bool {
        self.look.swap(false, Ordering::Relaxed)
    }

    pub(super) fn take_handed(&self) -> Option<Handed> {
        self.share().handed.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.share().handed.is_empty()
    }

    /// Whether it is the caller who has to see to it that [`Sharing::check`] is called.
    pub(super) fn begin_checking(&self) -> bool {
        !self.checking.swap(true, Ordering::Relaxed)
    }

    /// Puts a connection here if the core takes some: now, or, unless it has to be accepting, some time.
    fn put(&self, handed: Handed, only_if_accepting: bool) -> Result<(), Handed> {
        {
            let mut share = self.share();
            if !share.is_open || only_if_accepting && !share.accepting {
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

    /// Gives a core its share.
    ///
    /// # Errors
    /// If the core has one already, or others share the listener.
    pub(super) fn join(self: &Arc<Self>, core: &Core) -> Result<()> {
        let joined = self.joined.get_or_init(|| Joined {
            set: core.set().clone(),
            slots: (0..core.count()).map(|_| Slot::default()).collect(),
        });
        if !Arc::ptr_eq(&joined.set, core.set()) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the cores of another run share it");
            return Err(Error::of_operation(
                error,
                "share a listener with",
                format_args!("core {}", core.index()),
            ));
        }
        let mut share = joined.slots[core.index()].share();
        if std::mem::replace(&mut share.is_open, true) {
            return Err(Error::BusyResource("listening by this core's share of the listener"));
        }
        drop(share);
        core.member().note_share(self);
        Ok(())
    }

    /// What is known of the cores that are accepting, without this one if it is to be left out.
    fn known(&self, without: Option<usize>) -> impl Iterator<Item = Option<Known>> + Clone {
        let Joined { set, slots } = self.joined();
        let now = Instant::now();
        slots.iter().zip(set.members()).enumerate().map(move |(index, (slot, member))| {
            let takes_some = slot.accepting.load(Ordering::Relaxed) && without != Some(index);
            takes_some.then(|| Known {
                lately: member.load.lately(now),
                connections: member.load.connections() as f32,
            })
        })
    }

    fn counted(&self, connection: OwnedFd, index: usize) -> Handed {
        Handed { connection, counted: Counted::new(&self.joined().set.members()[index].load) }
    }

    /// Decides who serves a connection that this core has accepted: gives it back if that is the core itself.
    pub(super) fn place(&self, own: usize, connection: OwnedFd) -> Option<Handed> {
        let chosen = match self.joined().slots.len() {
            1 => own,
            _ => choose(own, self.known(None), any),
        };
        let mut handed = self.counted(connection, chosen);
        if chosen != own {
            match self.slot(chosen).put(handed, true) {
                Ok(()) => return None,
                // It has ended its accept meanwhile.
                Err(back) => handed = self.counted(back.connection, own),
            }
        }
        Some(handed)
    }

    /// Gives a connection, for which nobody waits any more on the core that has it, to one of those who do. Without any it stays
    /// for the next who accepts there, or goes to a core that will accept later. If all are gone it is closed.
    pub(super) fn pass_on(&self, from: usize, connection: OwnedFd) {
        let chosen = choose(from, self.known(Some(from)), any);
        let mut handed = self.counted(connection, chosen);
        let mut refused = false;
        let own = (chosen != from).then_some((chosen, true));
        let others = (0..self.joined().slots.len()).filter(|&index| index != from);
        let in_turn = own.into_iter().chain([(from, false)]).chain(others.map(|index| (index, false)));
        for (index, only_if_accepting) in in_turn {
            if std::mem::replace(&mut refused, true) {
                handed = self.counted(handed.connection, index);
            }
            match self.slot(index).put(handed, only_if_accepting) {
                Ok(()) => return,
                Err(back) => handed = back,
            }
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

    /// Gives what was handed to a core to others, if nobody takes it there.
    pub(super) fn check(&self, index: usize) {
        let slot = self.slot(index);
        slot.checking.store(false, Ordering::Relaxed);
        let handed = {
            let mut share = slot.share();
            if share.accepting { VecDeque::new() } else { std::mem::take(&mut share.handed) }
        };
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
    }

    fn pass_all_on(&self, from: usize, handed: VecDeque<Handed>) {
        for Handed { connection, counted } in handed {
            drop(counted);
            self.pass_on(from, connection);
        }
    }

    /// Has the other cores look whether there is something to accept.
    pub(super) fn have_others_look(&self, index: usize) {
        for (other, slot) in self.joined().slots.iter().enumerate() {
            if other != index && slot.accepting.load(Ordering::Relaxed) {
                slot.look.store(true, Ordering::Relaxed);
                slot.news.notify();
            }
        }
    }
}

/// A number below this one.
fn any(bound: usize) -> usize {
    (RandomState::new().hash_one(()) % bound as u64) as usize
}
