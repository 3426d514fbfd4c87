//! Tokens that are lent to borrowers.

mod borrower;
mod borrowers;

pub use borrower::Borrower;

use self::{borrower::Identity, borrowers::Borrowers};
use super::waiting::{Grant, Waiting};
use crate::{
    error::{Error, Result},
    runtime::{Core, WaitQueue, WaitReason},
};
use anyio_driver::planted;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::{self, Debug},
    hash::Hash,
    ops::Deref,
};

const TWICE: &str = "borrowing from this limiter on behalf of the same borrower";

/// A number of tokens that are lent to borrowers, at most one to each.
///
/// It differs from a [`Semaphore`](super::Semaphore) in that it knows who has borrowed, and that the number of tokens can
/// be changed while it is in use. A borrower is a task, or anything that can be told apart from others: the address of a
/// client, the number of an account. Futures that run side by side in one task, such as those of `join!`, are one borrower;
/// make them children of a [`task_group`](crate::task_group()), or borrow on behalf of something. Where no task is being
/// polled, as in a function that was given to [`run_soon`](crate::lowlevel::RunToken::run_soon), each call is a borrower of
/// its own.
///
/// Whoever waits is served in order. A token that becomes free belongs to the first of them at once; nobody can take it
/// before that task runs.
///
/// ```
/// use anyio::{Error, Result, sync::CapacityLimiter};
///
/// # anyio::run(async || -> Result<()> {
/// let limiter = CapacityLimiter::new(10);
/// let token = limiter.acquire_on_behalf_of("client 1").await?;
/// assert!(matches!(limiter.try_acquire_on_behalf_of("client 1"), Err(Error::BusyResource(_))));
/// assert_eq!(limiter.borrowed_tokens(), 1);
/// # drop(token);
/// # Ok(()) }).unwrap();
/// ```
pub struct CapacityLimiter {
    total: Cell<usize>,
    borrowers: RefCell<Borrowers>,
    /// Who waits, in the order of the queue, under the labels there.
    requests: RefCell<VecDeque<(u64, Borrower)>>,
    last_label: Cell<u64>,
    waiting: WaitQueue,
}

/// How a [`CapacityLimiter`] stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapacityLimiterStatistics {
    /// How many tokens are lent.
    pub borrowed_tokens: usize,
    /// How many there are; `usize::MAX` if there is no limit.
    pub total_tokens: usize,
    /// To whom they are lent, in no order.
    pub borrowers: Vec<Borrower>,
    /// How many tasks wait for one.
    pub tasks_waiting: usize,
}

impl fmt::Debug for CapacityLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CapacityLimiter").field(&self.statistics()).finish()
    }
}

impl CapacityLimiter {
    /// A limiter with this many tokens. 0 lends nothing until [`set_total_tokens`](Self::set_total_tokens) is called,
    /// `usize::MAX` is no limit.
    pub fn new(total_tokens: usize) -> Self {
        Self {
            total: Cell::new(total_tokens),
            borrowers: RefCell::default(),
            requests: RefCell::default(),
            last_label: Cell::new(0),
            waiting: WaitQueue::new(),
        }
    }

    /// How many tokens there are; `usize::MAX` if there is no limit.
    pub fn total_tokens(&self) -> usize {
        self.total.get()
    }

    /// Changes the number of tokens. If there are more, those who wait get them at once. If there are fewer than are lent,
    /// nobody loses theirs, but as many as are missing are not lent again.
    pub fn set_total_tokens(&self, total_tokens: usize) {
        self.total.set(total_tokens);
        self.lend();
    }

    /// How many tokens are lent.
    pub fn borrowed_tokens(&self) -> usize {
        self.borrowers.borrow().len()
    }

    /// How many tokens are left: less than 0 if the number of tokens was made less than were lent, `isize::MAX` if there
    /// is no limit.
    pub fn available_tokens(&self) -> isize {
        let total = isize::try_from(self.total.get()).unwrap_or(isize::MAX);
        if total == isize::MAX { total } else { total - self.borrowed_tokens() as isize }
    }

    /// Borrows a token for the current task, waiting for one if need be. Dropping it gives it back.
    ///
    /// # Errors
    /// [`Error::BusyResource`] if this task has borrowed one or is waiting for one, [`Error::Cancelled`] if the scope is
    /// cancelled before it was this task's turn.
    ///
    /// # Cancel safety
    /// A cancelled call loses its place in the queue. One that is dropped after its turn has come gives the token to the
    /// next.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn acquire(&self) -> Result<CapacityToken<'_>> {
        self.acquire_for(Borrower::current()).await
    }

    /// Borrows a token on behalf of whatever the value names, waiting for one if need be.
    ///
    /// # Errors
    /// As for [`acquire`](Self::acquire), with the borrower in the place of the task.
    ///
    /// # Cancel safety
    /// As for [`acquire`](Self::acquire).
    pub async fn acquire_on_behalf_of(
        &self,
        borrower: impl Hash + Eq + Debug + 'static,
    ) -> Result<CapacityToken<'_>> {
        self.acquire_for(Borrower::new(borrower)).await
    }

    /// Borrows a token for the current task if there is one to be had.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::BusyResource`] if this task has borrowed one or is waiting for
    /// one.
    ///
    /// # Panics
    /// Outside of a run.
    pub fn try_acquire(&self) -> Result<CapacityToken<'_>> {
        self.try_acquire_for(Borrower::current())
    }

    /// Borrows a token on behalf of whatever the value names, if there is one to be had.
    ///
    /// # Errors
    /// As for [`try_acquire`](Self::try_acquire), with the borrower in the place of the task.
    pub fn try_acquire_on_behalf_of(
        &self,
        borrower: impl Hash + Eq + Debug + 'static,
    ) -> Result<CapacityToken<'_>> {
        self.try_acquire_for(Borrower::new(borrower))
    }

    /// How it stands.
    pub fn statistics(&self) -> CapacityLimiterStatistics {
        CapacityLimiterStatistics {
            borrowed_tokens: self.borrowed_tokens(),
            total_tokens: self.total.get(),
            borrowers: self.borrowers.borrow().all.values().cloned().collect(),
            tasks_waiting: self.waiting.len(),
        }
    }

    async fn acquire_for(&self, borrower: Borrower) -> Result<CapacityToken<'_>> {
        Waiting::new(Acquire::new(self, borrower.clone())).await??;
        Ok(CapacityToken { limiter: self, borrower })
    }

    fn try_acquire_for(&self, borrower: Borrower) -> Result<CapacityToken<'_>> {
        self.try_lend(&borrower)?;
        Ok(CapacityToken { limiter: self, borrower })
    }

    /// Lends a token, for which [`give_back`](Self::give_back) has to be called.
    fn try_lend(&self, borrower: &Borrower) -> Result<()> {
        if self.has_asked(borrower) {
            return Err(Error::BusyResource(TWICE));
        }
        let mut borrowers = self.borrowers.borrow_mut();
        if borrowers.len() >= self.total.get() {
            return Err(Error::WouldBlock);
        }
        borrowers.insert(borrower.clone());
        Ok(())
    }

    /// Whether somebody with this name borrows or waits. Compares names, which may be code of users, with no borrow open.
    fn has_asked(&self, borrower: &Borrower) -> bool {
        let identity = borrower.identity();
        if self.borrowers.borrow().contains(identity) {
            return true;
        }
        let Some(hash) = borrower.hash_of_value() else {
            let is_task = matches!(identity, Identity::Task(_));
            return is_task && self.requests.borrow().iter().any(|(_, other)| other.identity() == identity);
        };
        // Others may come and go while two are compared.
        let mut compared: Vec<Borrower> = Vec::new();
        while let Some(other) = self
            .of_hash(hash, |other| !compared.iter().any(|compared| compared.identity() == other.identity()))
        {
            if other == *borrower {
                return true;
            }
            compared.push(other);
        }
        false
    }

    /// One that borrows or waits under a value of this hash, if one is wanted.
    fn of_hash(&self, hash: u64, is_wanted: impl Fn(&Borrower) -> bool) -> Option<Borrower> {
        let borrowers = self.borrowers.borrow();
        let requests = self.requests.borrow();
        let waiting = requests.iter().map(|(_, borrower)| borrower);
        let waiting = waiting.filter(|borrower| borrower.hash_of_value() == Some(hash));
        borrowers.of_hash(hash).chain(waiting).find(|&borrower| is_wanted(borrower)).cloned()
    }

    fn withdraw(&self, label: u64) -> Option<Borrower> {
        let mut requests = self.requests.borrow_mut();
        let place = requests.binary_search_by_key(&label, |(label, _)| *label).ok()?;
        requests.remove(place).map(|(_, borrower)| borrower)
    }

    fn lend(&self) {
        let lend_one = || {
            (self.borrowed_tokens() < self.total.get() || planted("one token too many"))
                && self.waiting.hand_over(0, |label| {
                    if let Some(borrower) = self.withdraw(label) {
                        self.borrowers.borrow_mut().insert(borrower);
                    }
                })
        };
        Core::change_anywhere(|| while lend_one() {});
    }

    /// Takes a token back that was lent to this borrower.
    pub(crate) fn give_back(&self, borrower: &Borrower) {
        let removed = self.borrowers.borrow_mut().remove(borrower);
        self.lend();
        // Names are code of users.
        drop(removed);
    }
}

/// A request for a token. Its output says that the token was lent; it is then up to the caller to give it back.
pub(crate) struct Acquire<L> {
    limiter: L,
    borrower: Borrower,
    label: u64,
}

impl<L> Acquire<L> {
    pub(crate) fn new(limiter: L, borrower: Borrower) -> Self {
        Self { limiter, borrower, label: 0 }
    }

    pub(crate) fn limiter(&self) -> &L {
        &self.limiter
    }

    pub(crate) fn borrower(&self) -> &Borrower {
        &self.borrower
    }
}

impl<L: Deref<Target = CapacityLimiter>> Grant for Acquire<L> {
    const REASON: WaitReason = WaitReason::CapacityLimiter;

    type Output = Result<()>;

    fn queue(&self) -> &WaitQueue {
        &self.limiter.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        match self.limiter.try_lend(&self.borrower) {
            Err(Error::WouldBlock) => None,
            lent => Some(lent),
        }
    }

    fn queue_up(&mut self) -> u64 {
        self.label = self.limiter.last_label.get() + 1;
        self.limiter.last_label.set(self.label);
        self.limiter.requests.borrow_mut().push_back((self.label, self.borrower.clone()));
        self.label
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        Ok(())
    }

    fn left(&mut self) {
        drop(self.limiter.withdraw(self.label));
    }

    fn pass_on(&mut self, _: i32) {
        self.limiter.give_back(&self.borrower);
    }
}

/// A token of a [`CapacityLimiter`]. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "the token is given back when it is dropped"]
pub struct CapacityToken<'a> {
    limiter: &'a CapacityLimiter,
    borrower: Borrower,
}

impl CapacityToken<'_> {
    /// On whose behalf it was borrowed.
    pub fn borrower(&self) -> &Borrower {
        &self.borrower
    }
}

impl Drop for CapacityToken<'_> {
    fn drop(&mut self) {
        self.limiter.give_back(&self.borrower);
    }
}
