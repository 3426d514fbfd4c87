//! Panics of users' code that must not keep the runtime from finishing what it does.

use std::{
    any::Any,
    cell::Cell,
    mem,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

/// What a panic brings along. Its destructor is code of users, too.
pub(crate) type PanicPayload = Box<dyn Any + Send>;

/// The first of several panics; what later ones bring is dropped.
#[derive(Default)]
pub(crate) struct FirstPanic(Cell<Option<PanicPayload>>);

impl FirstPanic {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// One that has happened.
    pub(crate) const fn of(payload: PanicPayload) -> Self {
        Self(Cell::new(Some(payload)))
    }

    /// Runs code of users. `None` if it has panicked.
    #[inline]
    pub(crate) fn catch<R>(&self, run: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => Some(result),
            Err(payload) => {
                self.keep(payload);
                None
            }
        }
    }

    /// Drops values of users one after the other, each whatever the others do.
    pub(crate) fn drop_each<T>(&self, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.catch(|| drop(value));
        }
    }

    /// Keeps this panic if it is the first.
    #[cold]
    pub(crate) fn keep(&self, payload: PanicPayload) {
        match self.0.take() {
            None => self.0.set(Some(payload)),
            first => {
                self.0.set(first);
                dispose_of(payload);
            }
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        let payload = self.0.take();
        let is_some = payload.is_some();
        self.0.set(payload);
        is_some
    }

    pub(crate) fn take(&self) -> Option<PanicPayload> {
        self.0.take()
    }

    /// Lets the panic go on, if there is one, unless another is on its way already: two at a time end the process.
    pub(crate) fn resume(&self) {
        if !thread::panicking() {
            if let Some(payload) = self.0.take() {
                resume_unwind(payload);
            }
        }
    }
}

impl Drop for FirstPanic {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            dispose_of(payload);
        }
    }
}

/// Drops values of users one after the other, each whatever the others do. The first panic goes on afterwards.
pub(crate) fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    let panics = FirstPanic::new();
    panics.drop_each(values);
    panics.resume();
}

/// Several values of users that have nothing to do with each other. Each is dropped, whatever the others do: two destructors
/// that panic would end the process if they were those of one vector.
#[derive(Debug, Clone, Default)]
pub(crate) struct EachDropped<C: IntoIterator + Default>(C);

impl<C: IntoIterator + Default> EachDropped<C> {
    pub(crate) fn new(values: C) -> Self {
        Self(values)
    }

    pub(crate) fn into_inner(mut self) -> C {
        mem::take(&mut self.0)
    }
}

impl<C: IntoIterator + Default> Deref for EachDropped<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: IntoIterator + Default> DerefMut for EachDropped<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

impl<C: IntoIterator + Default> Drop for EachDropped<C> {
    fn drop(&mut self) {
        drop_each(mem::take(&mut self.0));
    }
}

/// Drops what a panic has brought. Should that panic, too, what comes of it is forgotten, as there is no end to it
/// otherwise.
pub(crate) fn dispose_of(payload: PanicPayload) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(next);
    }
}

/// What a panic says. What it has brought is dropped.
pub(crate) fn text_of(payload: PanicPayload) -> String {
    let text = text_in(&payload).to_owned();
    dispose_of(payload);
    text
}

/// What a panic says.
pub(crate) fn text_in(payload: &PanicPayload) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("(a value that is no text)")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }

    #[test]
    fn the_first_panic_is_kept_and_no_payload_stops_what_follows() {
        let panics = FirstPanic::new();
        panics.catch(|| std::panic::panic_any(7));
        panics.catch(|| std::panic::panic_any(Bomb));
        assert_eq!(panics.catch(|| "went on"), Some("went on"));
        assert_eq!(*panics.take().unwrap().downcast::<i32>().unwrap(), 7);
    }

    #[test]
    fn a_payload_that_panics_is_dropped_quietly_with_its_keeper() {
        let panics = FirstPanic::new();
        panics.catch(|| std::panic::panic_any(Bomb));
        drop(panics);
    }

    #[test]
    fn each_value_is_dropped_whatever_the_others_do() {
        struct Counts<'a>(&'a Cell<u32>);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                panic!("a destructor");
            }
        }
        let (panics, dropped) = (FirstPanic::new(), Cell::new(0));
        panics.drop_each([Counts(&dropped), Counts(&dropped), Counts(&dropped)]);
        assert_eq!(dropped.get(), 3);
        assert!(panics.is_some());
        let values = EachDropped::new(vec![Counts(&dropped), Counts(&dropped)]);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(values))).is_err());
        assert_eq!(dropped.get(), 5);
        let kept = EachDropped::new(vec![Counts(&dropped)]).into_inner();
        assert_eq!(dropped.get(), 5);
        panics.drop_each(kept);
    }
}
