//! Who waits for the readiness of which descriptor, so that nobody does so twice and closing is told.

use super::{Core, RunId, WaitKey};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    os::fd::RawFd,
};

/// For what a descriptor is to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Reading,
    Writing,
}

/// Whose wait it is: each place has room for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) descriptor: RawFd,
    pub(crate) direction: Direction,
    /// 0, or the number of what waits for itself alone.
    pub(crate) owner: u64,
}

struct Watcher {
    number: u64,
    /// The operation that waits, once there is one.
    wait: Option<WaitKey>,
}

/// All waits of one executor.
#[derive(Default)]
pub(crate) struct Watched {
    places: RefCell<BTreeMap<Place, Watcher>>,
    last: Cell<u64>,
}

impl Watched {
    /// A number that nobody else has.
    pub(crate) fn next_number(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }
}

impl Core {
    /// Tells all who wait for a descriptor that it is about to be closed.
    pub(crate) fn end_watches(&self, descriptor: RawFd) {
        let first = Place { descriptor, direction: Direction::Reading, owner: 0 };
        let last = Place { descriptor, direction: Direction::Writing, owner: u64::MAX };
        loop {
            let mut places = self.watched().places.borrow_mut();
            let Some((&place, _)) = places.range(first..=last).next() else { return };
            let wait = places.remove(&place).and_then(|watcher| watcher.wait);
            drop(places);
            if let Some(wait) = wait.filter(|&wait| self.waits().is_current(wait)) {
                if self.waits().ask_cancel(wait) {
                    self.cancel_operation(wait.token());
                }
            }
        }
    }
}

/// A place taken, until this is dropped or the descriptor is said to be closed.
#[derive(Debug)]
pub(crate) struct Watch {
    place: Place,
    number: u64,
    run: RunId,
}

impl Watch {
    /// Takes a place; `None` if another has it.
    pub(crate) fn take(core: &Core, place: Place) -> Option<Self> {
        let watched = core.watched();
        let mut places = watched.places.borrow_mut();
        if places.contains_key(&place) {
            return None;
        }
        let number = watched.next_number();
        places.insert(place, Watcher { number, wait: None });
        Some(Self { place, number, run: core.run() })
    }

    /// In which run it was taken.
    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    /// Says which operation waits.
    pub(crate) fn set_wait(&self, core: &Core, wait: Option<WaitKey>) {
        if let Some(watcher) = core.watched().places.borrow_mut().get_mut(&self.place) {
            if watcher.number == self.number {
                watcher.wait = wait;
            }
        }
    }

    /// Whether the descriptor was said to be closed.
    pub(crate) fn is_ended(&self, core: &Core) -> bool {
        core.watched().places.borrow().get(&self.place).is_none_or(|watcher| watcher.number != self.number)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        Core::try_with(|core| {
            if core.run() == self.run && !self.is_ended(core) {
                core.watched().places.borrow_mut().remove(&self.place);
            }
        });
    }
}
