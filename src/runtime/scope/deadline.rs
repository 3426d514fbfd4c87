//! When a scope cancels itself.

use std::{
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
/// Below 2⁶² it is a span in nanoseconds; from 2⁶³ on a moment, counted from 2⁶² nanoseconds before [`base`]. A span of more
/// than 146 years, or a moment so far from the program's beginning, is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline(u64);

const NEVER: u64 = u64::MAX;
const SPANS: u64 = 1 << 62;
const MOMENT: u64 = 1 << 63;

impl Deadline {
    pub(crate) const NEVER: Self = Self(NEVER);

    #[inline]
    pub(crate) const fn after(span: Duration) -> Self {
        match nanoseconds(span) {
            Some(span) => Self(span),
            None => Self::NEVER,
        }
    }

    /// The moment so long from now, or never.
    pub(crate) fn at(moment: Instant) -> Self {
        let base = base();
        let from_beginning = match moment.checked_duration_since(base) {
            Some(later) => nanoseconds(later).map(|later| SPANS + later),
            // One so long ago that it cannot be counted has passed all the same.
            None => Some(SPANS - nanoseconds(base - moment).unwrap_or(SPANS)),
        };
        from_beginning.map_or(Self::NEVER, |from_beginning| Self(MOMENT | from_beginning))
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

    /// Whether it is a moment.
    #[inline]
    pub(super) fn is_moment(self) -> bool {
        self.0 & MOMENT != 0 && !self.is_never()
    }

    pub(super) fn when(self) -> When {
        match self.0 {
            NEVER => When::Never,
            span @ ..MOMENT => When::After(Duration::from_nanos(span)),
            moment => {
                let from_beginning = moment & !MOMENT;
                let at = match from_beginning.checked_sub(SPANS) {
                    Some(later) => base().checked_add(Duration::from_nanos(later)),
                    // What a clock cannot express has passed before it began.
                    None => {
                        let earlier = Duration::from_nanos(SPANS - from_beginning);
                        Some(base().checked_sub(earlier).unwrap_or(base()))
                    }
                };
                at.map_or(When::Never, When::At)
            }
        }
    }
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
    fn what_was_before_all_programs_has_passed() {
        let base = base();
        for seconds in [SPANS / 1_000_000_000 + 1, 200 * 366 * 24 * 3600, i64::MAX as u64 / 2] {
            if let Some(long_ago) = base.checked_sub(Duration::from_secs(seconds)) {
                let deadline = Deadline::at(long_ago);
                assert!(deadline.is_moment());
                assert!(matches!(deadline.when(), When::At(at) if at <= base), "{seconds} s before");
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
    fn what_is_beyond_all_programs_is_never() {
        assert_eq!(Deadline::after(Duration::MAX).when(), When::Never);
        assert_eq!(Deadline::NEVER.when(), When::Never);
        if let Some(late) = base().checked_add(Duration::from_secs(200 * 366 * 24 * 3600)) {
            assert_eq!(Deadline::at(late).when(), When::Never);
        }
    }
}
