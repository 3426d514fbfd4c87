//! A part of a stream, by place.

use super::only_a_name;
use crate::{error::Result, runtime::nothing_to_do, streams::ObjectReceiveStream};
use std::ops::{Bound, RangeBounds};

/// Some places of a stream. Made by [`islice`].
pub struct Slice<S> {
    source: S,
    /// The place of what the source gives next, and that of the next item wanted.
    place: usize,
    wanted: usize,
    /// The first place beyond.
    end: Option<usize>,
    step: usize,
}

only_a_name!(Slice<S>);

/// The items of a stream at these places. Of the source no more is taken than up to the end of the range.
///
/// ```
/// use anyio::{Result, itertools};
///
/// # anyio::run(async || -> Result<()> {
/// let mut letters = itertools::from_iter('a'..);
/// let some = itertools::islice(&mut letters, 1..6).step_by(2);
/// assert_eq!(itertools::collect(some).await?, ['b', 'd', 'f']);
/// let next = itertools::collect(itertools::islice(letters, ..1)).await?;
/// assert_eq!(next, ['g']);
/// # Ok(()) }).unwrap();
/// ```
pub fn islice<S: ObjectReceiveStream>(source: S, places: impl RangeBounds<usize>) -> Slice<S> {
    let start = match places.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match places.end_bound() {
        Bound::Included(&last) => last.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => None,
    };
    Slice { source, place: 0, wanted: start, end, step: 1 }
}

impl<S> Slice<S> {
    /// Only each so many-th of the items, beginning with the first.
    ///
    /// # Panics
    /// If it is 0.
    pub fn step_by(mut self, step: usize) -> Self {
        assert!(step > 0, "a step of 0 leads nowhere");
        self.step = step;
        self
    }
}

impl<S: ObjectReceiveStream> ObjectReceiveStream for Slice<S> {
    type Item = S::Item;

    async fn receive(&mut self) -> Result<Option<S::Item>> {
        // What lies before the end is taken from the source also if it is not wanted.
        while self.end.is_none_or(|end| self.place < end) {
            let Some(item) = self.source.receive().await? else { return Ok(None) };
            let place = self.place;
            self.place += 1;
            if place == self.wanted {
                self.wanted = place.saturating_add(self.step);
                return Ok(Some(item));
            }
        }
        nothing_to_do().await?;
        Ok(None)
    }
}
