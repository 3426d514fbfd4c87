//! Operations whose futures were dropped.
//!
//! Such an operation goes on in the driver. What it needs (its payload, with the memory and the descriptors) is
//! boxed and kept here until its final completion, which is then disposed of: a descriptor that was accepted or
//! opened is closed, a buffer goes home.
//!
//! A run that ends before its operations have ended leaks what they use. Futures and streams that outlive such a run find out
//! when they are dropped whether their own operation is among those, and then leak what they hold for it.

use super::{Core, RunId, WaitKey, numbered::Numbered};
use anyio_driver::Completion;
use std::{cell::RefCell, collections::HashSet};

thread_local! {
    /// The operations of this thread that had not ended when their runs did. There are hardly ever any.
    static GIVEN_UP: RefCell<HashSet<(RunId, u64)>> = RefCell::default();
}

/// Whether an operation, whose run is over, may be in the kernel's hands for ever. Asked once, by who holds what it needs.
pub(crate) fn was_given_up(operation: WaitKey) -> bool {
    let name = (operation.run(), operation.token().to_bits());
    GIVEN_UP.try_with(|operations| operations.borrow_mut().remove(&name)).unwrap_or(true)
}

/// What is left of an operation whose future was dropped.
pub(crate) trait Disposer {
    /// Disposes of one of several results.
    fn dispose_one_of_many(&mut self, core: &Core, completion: &Completion);

    /// Disposes of the final result; then memory and descriptors are let go.
    fn dispose(self: Box<Self>, core: &Core, completion: &Completion);
}

#[derive(Default)]
pub(crate) struct Orphans {
    disposers: Numbered<Box<dyn Disposer>>,
}

impl Orphans {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.disposers.count()
    }

    /// Takes one in; its number goes into the wait slot.
    pub(crate) fn adopt(&self, disposer: Box<dyn Disposer>) -> u32 {
        self.disposers.insert(disposer)
    }

    pub(crate) fn dispose_one_of_many(&self, core: &Core, number: u32, completion: &Completion) {
        // Taken out meanwhile: what it drops may be anyone's and make other orphans.
        if let Some(disposer) = self.disposers.borrow_out(number) {
            // Put back also after a panic: the kernel still uses what it owns.
            let mut taken = Taken { orphans: self, number, disposer: Some(disposer) };
            if let Some(disposer) = &mut taken.disposer {
                disposer.dispose_one_of_many(core, completion);
            }
        }
    }

    pub(crate) fn finish(&self, core: &Core, number: u32, completion: &Completion) {
        if let Some(disposer) = self.disposers.remove(number) {
            disposer.dispose(core, completion);
        }
    }

    /// Leaks what is left, because the kernel may still use it, and notes which operations are to be left alone by others,
    /// whose futures are alive. Tells how many were leaked.
    pub(crate) fn give_up(&self, others: impl Iterator<Item = WaitKey>) -> usize {
        let names = others.map(|operation| (operation.run(), operation.token().to_bits()));
        let _ = GIVEN_UP.try_with(|operations| operations.borrow_mut().extend(names));
        let count = self.disposers.count();
        self.disposers.take_all().for_each(std::mem::forget);
        count
    }
}

/// A disposer that is in use.
struct Taken<'a> {
    orphans: &'a Orphans,
    number: u32,
    disposer: Option<Box<dyn Disposer>>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(disposer) = self.disposer.take() {
            self.orphans.disposers.put_back(self.number, disposer);
        }
    }
}
