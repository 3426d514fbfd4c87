//! The same names as loom has them. What has a `const` constructor in the standard library is made by loom when it is first
//! used, or by `default` or `from`, as models do: an atomic value has to be made before other threads know of it.

pub use loom::{
    sync::{Condvar, MutexGuard, atomic::fence},
    thread,
};

use crate::Unpark;
use loom::sync::atomic;
use std::{
    sync::{Arc, LockResult, OnceLock, PoisonError, atomic::Ordering},
    task::Wake,
    time::Duration,
};

/// Tries all interleavings of a program's threads, with up to so many places where one is interrupted although it could go
/// on.
pub fn explore(preemptions: usize, program: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.max_duration = Some(Duration::from_secs(600));
    builder.check(program);
}

/// A lock.
#[derive(Debug)]
pub struct Mutex<T> {
    value: std::sync::Mutex<Option<T>>,
    lock: OnceLock<loom::sync::Mutex<T>>,
}

impl<T> Mutex<T> {
    /// A lock around this value.
    pub const fn new(value: T) -> Self {
        Self { value: std::sync::Mutex::new(Some(value)), lock: OnceLock::new() }
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// If a thread has panicked with it.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let lock = self.lock.get_or_init(|| {
            let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
            loom::sync::Mutex::new(value.take().expect("it is taken once"))
        });
        lock.lock()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        /// An atomic value.
        #[derive(Debug)]
        pub struct $name {
            first: $value,
            made: OnceLock<atomic::$name>,
        }

        impl $name {
            /// One with this value.
            pub const fn new(first: $value) -> Self {
                Self { first, made: OnceLock::new() }
            }

            fn made(&self) -> &atomic::$name {
                self.made.get_or_init(|| atomic::$name::new(self.first))
            }

            /// The value.
            pub fn load(&self, order: Ordering) -> $value {
                self.made().load(order)
            }

            /// Sets the value.
            pub fn store(&self, value: $value, order: Ordering) {
                self.made().store(value, order);
            }

            /// Sets the value and gives the one before.
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.made().swap(value, order)
            }
        }

        impl From<$value> for $name {
            fn from(value: $value) -> Self {
                let atomic = Self::new(value);
                atomic.made();
                atomic
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::from(<$value>::default())
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);

macro_rules! counter {
    ($name:ident, $value:ty) => {
        impl $name {
            /// Adds to the value and gives the one before.
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.made().fetch_add(value, order)
            }

            /// Takes from the value and gives the one before.
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.made().fetch_sub(value, order)
            }
        }
    };
}

counter!(AtomicU64, u64);
counter!(AtomicUsize, usize);

/// How a thread of a model sleeps: until it was unparked since it slept last.
#[derive(Debug, Default)]
pub struct Parker {
    unparked: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// Waits to be unparked.
    pub fn park(&self) {
        let mut unparked = self.unparked.lock().unwrap_or_else(PoisonError::into_inner);
        while !*unparked {
            unparked = self.changed.wait(unparked).unwrap_or_else(PoisonError::into_inner);
        }
        *unparked = false;
    }
}

impl Unpark for Parker {
    fn unpark(&self) {
        *self.unparked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
}
