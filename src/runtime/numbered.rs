//! Things that are kept under numbers.

use std::cell::{Cell, RefCell};

/// Things of which each has a number, until it is taken out.
pub(super) struct Numbered<T> {
    places: RefCell<Vec<Option<T>>>,
    free: RefCell<Vec<u32>>,
    count: Cell<usize>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { places: RefCell::default(), free: RefCell::default(), count: Cell::new(0) }
    }
}

impl<T> Numbered<T> {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    /// Keeps a thing, and gives its number.
    #[inline]
    pub(super) fn insert(&self, thing: T) -> u32 {
        self.count.set(self.count.get() + 1);
        let mut places = self.places.borrow_mut();
        if let Some(number) = self.free.borrow_mut().pop() {
            places[number as usize] = Some(thing);
            return number;
        }
        places.push(Some(thing));
        (places.len() - 1) as u32
    }

    /// Takes a thing out. Its number is that of another one then.
    #[inline]
    pub(super) fn remove(&self, number: u32) -> Option<T> {
        let thing = self.borrow_out(number)?;
        self.free.borrow_mut().push(number);
        self.count.set(self.count.get() - 1);
        Some(thing)
    }

    /// Takes a thing out that is [put back](Self::put_back).
    #[inline]
    pub(super) fn borrow_out(&self, number: u32) -> Option<T> {
        self.places.borrow_mut().get_mut(number as usize)?.take()
    }

    pub(super) fn put_back(&self, number: u32, thing: T) {
        self.places.borrow_mut()[number as usize] = Some(thing);
    }

    /// Takes out all.
    pub(super) fn take_all(&self) -> impl Iterator<Item = T> + use<T> {
        self.count.set(0);
        self.free.take();
        self.places.take().into_iter().flatten()
    }
}
