//! The two stages in which a scope comes to its end.

use super::{Flags, Scope};
use crate::runtime::Core;

pub(crate) use crate::error::Stopping;

impl Stopping {
    const ALL: [Self; 2] = [Self::Finish, Self::Cancel];

    /// What a scope has that was told itself.
    pub(super) const fn own(self) -> Flags {
        match self {
            Self::Finish => Flags::FINISH,
            Self::Cancel => Flags::CANCELLED,
        }
    }

    /// What a scope has that it reaches, by itself or from further out.
    pub(super) const fn effective(self) -> Flags {
        match self {
            Self::Finish => Flags::FINISHING,
            Self::Cancel => Flags::EFFECTIVE,
        }
    }
}

impl Scope {
    /// What reaches into this scope, as marks: the stages, and an observer.
    #[inline]
    pub(super) fn effects(&self) -> Flags {
        const EFFECTS: Flags = Flags::EFFECTIVE.union(Flags::FINISHING).union(Flags::OBSERVED);
        let mut effects = Flags::empty();
        let mut node = self;
        loop {
            let flags = node.flags.get();
            effects |= flags & EFFECTS;
            if flags.intersects(Flags::LINKED.union(Flags::SHIELDED)) {
                return effects;
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => return effects,
            }
        }
    }

    /// Whether the stage reaches into this scope.
    pub(crate) fn is_stopped(&self, stage: Stopping) -> bool {
        self.effects().contains(stage.effective())
    }

    /// Whether the stage reaches into this scope from further out.
    pub(crate) fn is_stopped_from_outside(&self, stage: Stopping) -> bool {
        !self.has(Flags::SHIELDED) && self.parent().is_some_and(|parent| parent.is_stopped(stage))
    }

    /// Has reach what newly does into this scope and those below.
    #[cold]
    pub(super) fn deliver_each(&self, core: &Core, news: Flags) {
        if news.contains(Flags::OBSERVED) {
            self.observe_below();
        }
        for stage in Stopping::ALL {
            if news.contains(stage.effective()) {
                self.deliver(core, stage);
            }
        }
    }

    /// Lifts what does not come from further out.
    pub(super) fn lift_all_but(&self, from_outside: Flags) {
        for stage in Stopping::ALL {
            if !from_outside.contains(stage.effective()) && !self.has(stage.own()) {
                self.lift(stage);
            }
        }
    }

    /// Decides who is responsible for a body that ended because of a stage: true if this scope is, and absorbs it.
    pub(crate) fn absorbs(&self, stage: Stopping) -> bool {
        let absorbs = self.would_absorb().contains(stage);
        if absorbs {
            self.absorb();
        }
        absorbs
    }

    /// What this scope absorbs, should its body end with that.
    #[inline]
    pub(crate) fn would_absorb(&self) -> Absorbed {
        const OWN: Flags = Flags::CANCELLED.union(Flags::FINISH);
        match self.flags.get().intersects(OWN) {
            true => self.absorbs_which(),
            false => Absorbed::default(),
        }
    }

    #[cold]
    fn absorbs_which(&self) -> Absorbed {
        let is_cancelled_outside = self.is_stopped_from_outside(Stopping::Cancel);
        let finishes = self.has(Flags::FINISH) && !self.is_stopped_from_outside(Stopping::Finish);
        let cancels = self.has(Flags::CANCELLED);
        Absorbed {
            // A task that has finished is cancelled to who waits for it.
            cancellation: (cancels || finishes) && !is_cancelled_outside,
            finishing: finishes,
        }
    }

    /// Notes that what the body ended with was absorbed here.
    pub(crate) fn absorb(&self) {
        self.set(Flags::CAUGHT, true);
    }
}

/// Which errors of its body a scope keeps from those further out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Absorbed {
    cancellation: bool,
    finishing: bool,
}

impl Absorbed {
    pub(crate) fn is_nothing(self) -> bool {
        !self.cancellation && !self.finishing
    }

    pub(crate) fn contains(self, stage: Stopping) -> bool {
        match stage {
            Stopping::Cancel => self.cancellation,
            Stopping::Finish => self.finishing,
        }
    }
}
