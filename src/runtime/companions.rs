//! What takes part in runs without being a part of the runtime: signals, child processes.
//!
//! A companion registers with a run when it is first asked for there. The runtime knows of it what [`Companion`] says, and
//! asks it only when something was [announced](announce) or when a virtual clock finds nothing to do.

use super::Core;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

/// Takes part in a run.
pub(crate) trait Companion: Any {
    /// Something was announced to this process, maybe for this companion. Called between the polls of tasks.
    fn hear(&self, core: &Core) {
        let _ = core;
    }

    /// Whether something is under way here that will end, though nothing may tell when.
    fn awaits_an_end(&self) -> bool {
        false
    }

    /// Whether somebody listens here for what others may send at any time.
    fn is_listening(&self) -> bool {
        false
    }
}

/// Changes when something is announced.
static ANNOUNCED: AtomicU64 = AtomicU64::new(0);

/// Has all companions of all runs asked, once their executors wake up, which this does not see to. For signal handlers,
/// too: this is one atomic operation.
pub(crate) fn announce() {
    ANNOUNCED.fetch_add(1, Ordering::AcqRel);
}

/// The companions of one run.
#[derive(Default)]
pub(crate) struct Companions {
    heard: Cell<u64>,
    list: RefCell<Vec<Registered>>,
}

struct Registered {
    as_itself: Rc<dyn Any>,
    as_companion: Rc<dyn Companion>,
}

impl Companions {
    /// The companion of this kind, which begins now if it has not.
    pub(crate) fn of_kind<T: Companion + Default>(&self) -> Rc<T> {
        let mut list = self.list.borrow_mut();
        if let Some(known) = list.iter().find_map(|known| known.as_itself.clone().downcast().ok()) {
            return known;
        }
        let new = Rc::<T>::default();
        list.push(Registered { as_itself: new.clone(), as_companion: new.clone() });
        new
    }

    /// Whether something was announced since this was last asked.
    #[inline]
    pub(super) fn have_news(&self) -> bool {
        let announced = ANNOUNCED.load(Ordering::Acquire);
        self.heard.replace(announced) != announced
    }

    /// All that there are.
    pub(super) fn all(&self) -> Vec<Rc<dyn Companion>> {
        self.list.borrow().iter().map(|known| known.as_companion.clone()).collect()
    }

    /// Whether something will end for one of them.
    pub(super) fn await_an_end(&self) -> bool {
        self.list.borrow().iter().any(|known| known.as_companion.awaits_an_end())
    }

    /// Whether somebody listens at one of them.
    pub(super) fn are_listening(&self) -> bool {
        self.list.borrow().iter().any(|known| known.as_companion.is_listening())
    }
}

impl fmt::Debug for Companions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Companions").field("count", &self.list.borrow().len()).finish_non_exhaustive()
    }
}
