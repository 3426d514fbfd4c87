//! The handle of a core.

use super::set::{Member, Set};
use crate::runtime::Load;
use std::{cell::RefCell, fmt, sync::Arc, time::Instant};

thread_local! {
    /// The core that runs on this thread.
    static CURRENT: RefCell<Option<Core>> = const { RefCell::new(None) };
}

/// One of the cores on which a program runs. The program is given that on which it is; the others are to be had by
/// [`all`](Self::all). A handle can go to any thread and outlive the core.
#[derive(Clone)]
pub struct Core {
    set: Arc<Set>,
    index: usize,
}

impl Core {
    pub(super) fn new(set: &Arc<Set>, index: usize) -> Self {
        Self { set: set.clone(), index }
    }

    /// The core of this thread, or `None` on threads that are none of [`run_on_cores`](crate::run_on_cores).
    ///
    /// ```
    /// use anyio::{Core, Result, run_on_cores};
    ///
    /// let same = run_on_cores(2, async |core: &Core| -> Result<bool> {
    ///     Ok(Core::current().as_ref() == Some(core))
    /// })?;
    /// assert_eq!(same, Some(vec![true, true]));
    /// assert!(Core::current().is_none());
    /// # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
    /// ```
    pub fn current() -> Option<Self> {
        // At the thread's very end there is none.
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes this the core of this thread, as long as what is given back lives.
    pub(super) fn enter(&self) -> Entered<'_> {
        CURRENT.set(Some(self.clone()));
        self.load().begin();
        Entered(self)
    }

    /// The core's number, from 0 on.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many cores there are.
    pub fn count(&self) -> usize {
        self.set.members().len()
    }

    /// All cores in the order of their numbers, this one among them.
    pub fn all(&self) -> impl Iterator<Item = Core> + use<> {
        let set = self.set.clone();
        (0..self.count()).map(move |index| Self::new(&set, index))
    }

    /// Which share of the time the core was busy lately, from 0 to 1: the processor time of its thread, averaged over about a
    /// tenth of a second, or over the time since anybody last asked, if that is longer. Always 0 before and after the run of the
    /// core, and where the system does not tell it (all but Linux).
    ///
    /// A core that waits for a processor which others use is not busy meanwhile, and one that spins
    /// ([`Builder::spin`](crate::Builder::spin)) is.
    pub fn utilisation(&self) -> f64 {
        self.load().lately(Instant::now()).busy.into()
    }

    /// How many connections the core has that came by [shared listeners](Self::listen), with those on the way to it.
    pub fn connections(&self) -> usize {
        self.load().connections() as usize
    }

    /// Whether it runs together with this one.
    pub(super) fn is_of_set_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.set, &other.set)
    }

    pub(super) fn set(&self) -> &Arc<Set> {
        &self.set
    }

    fn load(&self) -> &Load {
        &self.set.loads()[self.index]
    }

    pub(super) fn member(&self) -> &Member {
        &self.set.members()[self.index]
    }
}

/// Two handles are equal if they are of the same core in the same run.
impl PartialEq for Core {
    fn eq(&self, other: &Self) -> bool {
        self.is_of_set_of(other) && self.index == other.index
    }
}

impl Eq for Core {}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("index", &self.index).field("count", &self.count()).finish()
    }
}

/// The end of a core, when it is dropped on the core's thread.
pub(super) struct Entered<'a>(&'a Core);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(None);
        self.0.set.leave(self.0.index);
    }
}
