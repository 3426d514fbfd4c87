//! When a scope cancels itself.

use std::{
    cell::RefCell,
    sync::OnceLock,
    time::{Duration, Instant},
};

/// What a [`Deadline`] says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    Never,
    At(Instant),
    /// So long after the body first waits. Fixed then, or when somebody asks.
    After(Duration),
}

/// When a scope cancels itself, in one number: it is written when a scope is made and read right afterwards, and what was
/// written in parts stalls the processor when it is read as a whole.
///
/// Below 2⁶² it is a span in nanoseconds; from 2⁶³ on a moment, counted from 2⁶² nanoseconds before [`base`]. What is more
/// than 146 years away, as virtual clocks may get, lies in a list of its own, and the number between the two is its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(u64);

const NEVER: u64 = u64::MAX;
const SPANS: u64 = 1 << 62;
const MOMENT: u64 = 1 << 63;

impl Deadline {
    pub(crate) const NEVER: Self = Self(NEVER);

    #[inline]
    pub(crate) fn after(span: Duration) -> Self {
        match nanoseconds(span) {
            Some(span) => Self(span),
            None => Self::distant(When::After(span)),
        }
    }

    /// The moment so long from now, or never.
    pub(crate) fn at(moment: Instant) -> Self {
        let base = base();
        let from_beginning = match moment.checked_duration_since(base) {
            Some(later) => nanoseconds(later).map(|later| SPANS + later),
            None => nanoseconds(base - moment).map(|earlier| SPANS - earlier),
        };
        match from_beginning {
            Some(from_beginning) => Self(MOMENT | from_beginning),
            None => Self::distant(When::At(moment)),
        }
    }

    /// What is too far away for a number. A span that no moment is at the end of is never.
    #[cold]
    fn distant(when: When) -> Self {
        if let When::After(span) = when {
            if base().checked_add(span).is_none() {
                return Self::NEVER;
            }
        }
        let place = DISTANT.try_with(|distant| {
            let mut distant = distant.borrow_mut();
            if distant.last() != Some(&when) {
                distant.push(when);
            }
            SPANS + distant.len() as u64 - 1
        });
        place.map_or(Self::NEVER, Self)
    }

    #[inline]
    pub(super) fn is_never(self) -> bool {
        self.0 == NEVER
    }

    /// Whether it is a span, and an empty one.
    #[inline]
    pub(super) fn is_empty_span(self) -> bool {
        self.0 == 0
    }

    /// Whether it is a moment, or may be one.
    #[inline]
    pub(super) fn is_moment(self) -> bool {
        self.0 >= SPANS && !self.is_never()
    }

    /// Whether it is earlier than another of the same kind. Never is later than all.
    pub(super) fn is_before(self, other: Self) -> bool {
        match (self.when(), other.when()) {
            (When::At(one), When::At(other)) => one < other,
            (When::After(one), When::After(other)) => one < other,
            (When::Never, _) => false,
            (_, When::Never) => true,
            (When::At(_), When::After(_)) | (When::After(_), When::At(_)) => false,
        }
    }

    pub(super) fn when(self) -> When {
        match self.0 {
            NEVER => When::Never,
            span @ ..SPANS => When::After(Duration::from_nanos(span)),
            place @ SPANS..MOMENT => {
                let distant =
                    DISTANT.try_with(|distant| distant.borrow().get((place - SPANS) as usize).copied());
                distant.ok().flatten().unwrap_or(When::Never)
            }
            moment => {
                let from_beginning = moment & !MOMENT;
                let at = match from_beginning.checked_sub(SPANS) {
                    Some(later) => base().checked_add(Duration::from_nanos(later)),
                    None => base().checked_sub(Duration::from_nanos(SPANS - from_beginning)),
                };
                at.map_or(When::Never, When::At)
            }
        }
    }
}

thread_local! {
    /// What is too far away for a number, in the order in which it was asked for. Only programs that have a virtual clock pass
    /// centuries put more than a few here.
    static DISTANT: RefCell<Vec<When>> = const { RefCell::new(Vec::new()) };
}

#[inline]
const fn nanoseconds(span: Duration) -> Option<u64> {
    if span.as_secs() < SPANS / 1_000_000_000 {
        Some(span.as_secs() * 1_000_000_000 + span.subsec_nanos() as u64)
    } else {
        None
    }
}

/// A moment of this process from which others are counted.
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_and_after_the_base_come_back_exactly() {
        let base = base();
        for distance in [0, 1, 999_999_999, 3_600_000_000_123] {
            let distance = Duration::from_nanos(distance);
            for at in [base + distance, base - distance] {
                assert_eq!(Deadline::at(at).when(), When::At(at));
            }
        }
    }

    #[test]
    fn spans_come_back_exactly() {
        for span in [Duration::ZERO, Duration::new(7, 999_999_999), Duration::from_secs(4_000_000_000)] {
            assert_eq!(Deadline::after(span).when(), When::After(span));
        }
    }

    #[test]
    fn what_is_centuries_away_comes_back_exactly_and_what_never_comes_is_never() {
        assert_eq!(Deadline::after(Duration::MAX).when(), When::Never);
        assert_eq!(Deadline::NEVER.when(), When::Never);
        let span = Duration::new(1000 * 366 * 24 * 3600, 1);
        assert_eq!(Deadline::after(span).when(), When::After(span));
        if let Some(late) = base().checked_add(span) {
            let deadline = Deadline::at(late);
            assert_eq!(Deadline::at(late), deadline);
            assert_eq!((deadline.when(), deadline.is_moment()), (When::At(late), true));
        }
        if let Some(early) = base().checked_sub(span) {
            let deadline = Deadline::at(early);
            assert_eq!((deadline.when(), deadline.is_moment()), (When::At(early), true));
        }
    }
}
