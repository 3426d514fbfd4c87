//! Permissions to use a thread.

use crate::{
    error::{Cancelled, Result},
    lowlevel::{RunToken, RunVar},
    runtime::{
        Core,
        clock::{JobKind, JobUnderWay},
    },
    sync::{Acquire, Borrower, CapacityLimiter, Waiting},
};
use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::LazyLock,
    task::{Context, Poll, ready},
};

/// The loans of functions that run on although nobody waits for them, by their numbers. They stay on the run's thread,
/// to which limiters belong.
static ABANDONED: LazyLock<RunVar<RefCell<HashMap<u64, Loan>>>> =
    LazyLock::new(|| RunVar::new().with_default(RefCell::default));

/// A request for a loan.
pub(super) struct Request {
    waiting: Waiting<Acquire<Rc<CapacityLimiter>>>,
    number: u64,
}

impl Request {
    pub(super) fn new(limiter: Rc<CapacityLimiter>) -> Self {
        let number = Borrower::number_of_call();
        Self { waiting: Waiting::new(Acquire::new(limiter, Borrower::of_call(number))), number }
    }

    /// Waits until a thread may be used. Nothing is lent in a cancelled scope.
    pub(super) fn poll(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Result<Loan>> {
        ready!(self.waiting.poll_grant(core, cx))??;
        let acquire = self.waiting.grant();
        let loan = Loan {
            limiter: Rc::clone(acquire.limiter()),
            borrower: acquire.borrower().clone(),
            number: self.number,
            under_way: None,
        };
        if core.scope_is_effective() {
            drop(loan);
            return core.poll_delivery(cx).map(|()| Err(Cancelled::new().into()));
        }
        Poll::Ready(Ok(loan))
    }
}

/// The permission to use one thread. Dropping it gives it back.
pub(super) struct Loan {
    limiter: Rc<CapacityLimiter>,
    borrower: Borrower,
    number: u64,
    /// Set when nobody waits for the function any more.
    under_way: Option<JobUnderWay>,
}

impl Loan {
    /// Which of all loans this is.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Keeps it lent until [`end_abandoned`] is called with its number in the run, or until the run ends.
    pub(super) fn abandon(mut self, run: RunToken) {
        // Elsewhere nobody would hear of the function's end.
        let under_way = Core::try_with(|core| {
            (RunToken::of(core) == run).then(|| JobUnderWay::new(core, JobKind::Abandoned))
        });
        if let Some(under_way @ Some(_)) = under_way {
            self.under_way = under_way;
            ABANDONED.get().expect("has a default").borrow_mut().insert(self.number, self);
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.limiter.give_back(&self.borrower);
    }
}

/// Gives a loan back whose function has ended after all.
pub(super) fn end_abandoned(number: u64) {
    let loan = ABANDONED.get().expect("has a default").borrow_mut().remove(&number);
    drop(loan);
}
