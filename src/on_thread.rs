//! What stays on its thread although a trait demands `Send`.
//!
//! # Contract of the unsafe code
//! A value is used and dropped on the thread that it was wrapped on and on no other: everything that reaches it goes through
//! [`OnThread::check`] or compares the threads itself. A value that is dropped elsewhere is leaked where it lies. That is
//! sound although its memory may be used again, because no safe code can have pinned it: this is a pin to the value only
//! where the value is `Unpin`.

mod futures_traits;
#[cfg(feature = "tokio-io")]
mod tokio_traits;

use std::{
    any::type_name,
    cell::Cell,
    fmt,
    mem::{ManuallyDrop, needs_drop},
    num::NonZeroU64,
    ops::{Deref, DerefMut},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

/// A value that stays on its thread, for traits that demand `Send` of what they never send. Using it on another thread
/// panics.
///
/// Everything in anyio stays on its thread, and its futures and streams are not `Send`. Some libraries demand that all the
/// same, as other runtimes move tasks between threads: those of HTTP handlers, connectors and timers. In this wrapper such
/// a value can be handed to them. It is a future, a stream, or something to read from and write to, if the value is and is
/// [`Unpin`]; a future of an `async` block is when it is in a box: `OnThread::new(Box::pin(async { … }))`.
///
/// Do not wrap a value on one of several cores to use it on another: each core makes its own.
///
/// ```
/// use anyio::OnThread;
/// use std::{rc::Rc, time::Duration};
///
/// fn demands_send<F: Future<Output = i32> + Send + 'static>(future: F) -> F {
///     future
/// }
///
/// # anyio::run(async || {
/// let shared = Rc::new(5);
/// let future = demands_send(OnThread::new(Box::pin(async move {
///     anyio::sleep(Duration::from_millis(1)).await.unwrap();
///     *shared
/// })));
/// assert_eq!(future.await, 5);
/// # });
/// ```
///
/// # Panics
/// All that reaches the value panics on another thread, also cloning and polling. Dropping it there panics, unless the
/// thread is panicking already, and leaks the value; what needs no drop can be dropped anywhere.
pub struct OnThread<T> {
    value: ManuallyDrop<T>,
    thread: NonZeroU64,
}

// SAFETY: the value is reached on its own thread only, see the contract of this module.
unsafe impl<T> Send for OnThread<T> {}
// SAFETY: as above; a shared reference does not reach the value elsewhere either.
unsafe impl<T> Sync for OnThread<T> {}

thread_local! {
    /// The number of this thread, which no other ever gets: 0 until it is asked for. (The address of a thread's variable is
    /// another's after its end.)
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

fn current_thread() -> NonZeroU64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NonZeroU64::new(NUMBER.get()).unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(number);
        NonZeroU64::new(number).expect("no program begins so many threads")
    })
}

impl<T> OnThread<T> {
    /// Wraps a value of this thread.
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), thread: current_thread() }
    }

    /// The value.
    ///
    /// # Panics
    /// On another thread.
    #[track_caller]
    pub fn into_inner(self) -> T {
        self.check();
        let mut this = ManuallyDrop::new(self);
        // SAFETY: this is the value's thread, and nobody uses or drops it after that.
        unsafe { ManuallyDrop::take(&mut this.value) }
    }

    /// Whether this is the thread that the value can be used on.
    #[inline]
    pub fn is_here(&self) -> bool {
        // Where nothing was wrapped there is nothing to be used.
        self.thread.get() == NUMBER.get()
    }

    #[inline]
    #[track_caller]
    fn check(&self) {
        if !self.is_here() {
            elsewhere::<T>("used");
        }
    }

    /// The value, pinned, which it only is in name.
    #[track_caller]
    fn pinned(self: Pin<&mut Self>) -> Pin<&mut T>
    where
        T: Unpin,
    {
        Pin::new(&mut **self.get_mut())
    }
}

#[cold]
#[track_caller]
fn elsewhere<T>(what: &str) -> ! {
    panic!("`OnThread<{}>` was {what} on another thread than it was made on", type_name::<T>());
}

impl<T> Drop for OnThread<T> {
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        if self.is_here() {
            // SAFETY: this is the value's thread, and nobody uses it after that.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        } else if !std::thread::panicking() {
            elsewhere::<T>("dropped");
        }
    }
}

impl<T> Deref for OnThread<T> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        self.check();
        &self.value
    }
}

impl<T> DerefMut for OnThread<T> {
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        self.check();
        &mut self.value
    }
}

impl<T: Clone> Clone for OnThread<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        Self::new(T::clone(self))
    }
}

impl<T: Default> Default for OnThread<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for OnThread<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for OnThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_here() {
            f.debug_tuple("OnThread").field(&*self.value).finish()
        } else {
            f.write_str("OnThread(on another thread)")
        }
    }
}

impl<F: Future + Unpin> Future for OnThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.pinned().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        rc::Rc,
        thread,
    };

    /// What a panic on another thread says.
    fn panic_elsewhere(use_it: impl FnOnce() + Send) -> String {
        let panicked = thread::scope(|scope| scope.spawn(use_it).join().unwrap_err());
        *panicked.downcast::<String>().unwrap()
    }

    #[test]
    fn a_value_is_used_on_its_thread_and_nowhere_else() {
        let mut value = OnThread::new(Rc::new(Cell::new(1)));
        value.set(2);
        assert_eq!(value.clone().into_inner().get(), 2);
        assert!(panic_elsewhere(|| value.set(3)).contains("Cell<i32>>>` was used on another"));
        panic_elsewhere(|| drop(value.clone()));
        panic_elsewhere(|| *value = Rc::default());
        assert_eq!(
            thread::scope(|scope| scope.spawn(|| format!("{value:?}")).join()).unwrap(),
            "OnThread(on another thread)"
        );
        assert_eq!(Rc::strong_count(&value), 1);
    }

    #[test]
    fn a_value_that_is_dropped_elsewhere_is_leaked_with_a_panic() {
        let shared = Rc::new(());
        let value = OnThread::new(shared.clone());
        assert!(panic_elsewhere(move || drop(value)).contains("was dropped on another thread"));
        assert_eq!(Rc::strong_count(&shared), 2);
        let plain = OnThread::new(5);
        thread::spawn(move || drop(plain)).join().unwrap();
    }

    #[test]
    fn a_panic_elsewhere_is_not_followed_by_another() {
        let value = OnThread::new(Rc::new(()));
        let said = panic_elsewhere(move || {
            let _value = value;
            panic!("{}", "the first");
        });
        assert_eq!(said, "the first");
    }

    #[test]
    fn a_thread_after_another_is_not_taken_for_it() {
        let made: Vec<_> =
            (0..20).map(|_| thread::spawn(|| OnThread::new(Rc::new(()))).join().unwrap()).collect();
        for value in made {
            let used = thread::spawn(move || {
                let is_refused = catch_unwind(AssertUnwindSafe(|| drop(Rc::clone(&value)))).is_err();
                std::mem::forget(value);
                is_refused
            });
            assert!(used.join().unwrap());
        }
    }
}
