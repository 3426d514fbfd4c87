//! Bringing steps of several tasks into an order.

use crate::{
    error::{Error, Result},
    sync::Event,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    rc::Rc,
};

/// Has blocks of code in different tasks run in the order of their numbers: 0, 1, 2 and so on.
///
/// ```
/// use anyio::{Result, task_group, testing::Sequencer};
/// use std::cell::RefCell;
///
/// # anyio::run(async || -> Result<()> {
/// let (sequencer, order) = (Sequencer::new(), RefCell::new(vec![]));
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         let turn = sequencer.turn(1).await?;
///         order.borrow_mut().push("second");
///         drop(turn);
///         anyio::Ok(())
///     });
///     let turn = sequencer.turn(0).await?;
///     order.borrow_mut().push("first");
///     drop(turn);
///     Ok(())
/// })
/// .await?;
/// assert_eq!(*order.borrow(), ["first", "second"]);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct Sequencer {
    /// One event for each number that somebody has waited for or waits for; set when it is its turn.
    turns: RefCell<HashMap<u64, Rc<Event>>>,
    claimed: RefCell<std::collections::HashSet<u64>>,
    broken: Cell<bool>,
}

impl Sequencer {
    /// A sequence that begins with 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for the turn of this number. The next number has its turn when the result is dropped.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled. [`Error::BrokenResource`] if that happened to another one, since
    /// its turn will not come.
    ///
    /// # Panics
    /// If the number was used before.
    ///
    /// # Cancel safety
    /// A turn that was cancelled or dropped before it came breaks the sequence.
    pub async fn turn(&self, number: u64) -> Result<SequencerTurn<'_>> {
        assert!(self.claimed.borrow_mut().insert(number), "the number {number} was used before");
        let breaks = Breaks(self);
        if number > 0 && !self.broken.get() {
            self.event(number).wait().await?;
        } else {
            crate::lowlevel::checkpoint_if_cancelled().await?;
        }
        if self.broken.get() {
            let cause = io::Error::other("an earlier turn of this sequence was cancelled");
            return Err(Error::BrokenResource(cause));
        }
        std::mem::forget(breaks);
        Ok(SequencerTurn { sequencer: self, number })
    }

    fn event(&self, number: u64) -> Rc<Event> {
        self.turns.borrow_mut().entry(number).or_default().clone()
    }
}

/// Breaks the sequence if it is dropped.
struct Breaks<'a>(&'a Sequencer);

impl Drop for Breaks<'_> {
    fn drop(&mut self) {
        self.0.broken.set(true);
        let waiting: Vec<_> = self.0.turns.borrow().values().cloned().collect();
        for event in waiting {
            event.set();
        }
    }
}

/// The turn of one number of a [`Sequencer`]. Dropping it lets the next have theirs.
#[derive(Debug)]
#[must_use = "the turn ends when it is dropped"]
pub struct SequencerTurn<'a> {
    sequencer: &'a Sequencer,
    number: u64,
}

impl Drop for SequencerTurn<'_> {
    fn drop(&mut self) {
        self.sequencer.event(self.number + 1).set();
    }
}
