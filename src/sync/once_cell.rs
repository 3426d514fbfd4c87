//! A value that is made once.

use super::{
    lock::current_task,
    waiting::{Grant, Waiting},
};
use crate::{
    error::Cancelled,
    runtime::{TaskKey, WaitQueue, WaitReason},
};
use std::{
    cell::{self, Cell},
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    ptr,
    task::Context,
};

/// A value that the first who needs it makes, while others wait for it.
///
/// ```
/// use anyio::{Result, sync::OnceCell};
///
/// # anyio::run(async || -> Result<()> {
/// let address = OnceCell::new();
/// for _ in 0..2 {
///     let found = address
///         .get_or_try_init(async || -> Result<u32> {
///             anyio::lowlevel::checkpoint().await?;
///             Ok(5)
///         })
///         .await?;
///     assert_eq!(*found, 5);
/// }
/// # Ok(()) }).unwrap();
/// ```
pub struct OnceCell<T> {
    value: cell::OnceCell<T>,
    /// Whether somebody makes the value, or was told to.
    busy: Cell<bool>,
    /// Who makes it, while that is being polled.
    making: Cell<Option<Maker>>,
    waiting: WaitQueue,
}

/// How a [`OnceCell`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnceCellStatistics {
    /// Whether the value is there.
    pub initialized: bool,
    /// How many tasks wait for it.
    pub tasks_waiting: usize,
}

/// Who is being polled at a moment, and by what waker. Wakers are compared, as `will_wake` does, and never used.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Maker {
    task: Option<TaskKey>,
    waker: (usize, usize),
}

impl Maker {
    fn of(cx: &Context<'_>) -> Self {
        Self {
            task: current_task(),
            waker: (cx.waker().data().addr(), ptr::from_ref(cx.waker().vtable()).addr()),
        }
    }

    /// Whether who is polled within the poll of this one is a part of it: a task that it waits for, or a future of its own. What
    /// else a task polls, as an executor of others does, has wakers of its own.
    fn waits_for(self, inner: Self) -> bool {
        self.task != inner.task || self.waker == inner.waker
    }
}

/// The answers to those who wait.
const READY: i32 = 0;
const YOUR_TURN: i32 = 1;

impl<T> OnceCell<T> {
    /// A cell without a value.
    pub const fn new() -> Self {
        Self {
            value: cell::OnceCell::new(),
            busy: Cell::new(false),
            making: Cell::new(None),
            waiting: WaitQueue::new(),
        }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value; if it is not there it is made with `init`, unless another task is making it already: then this waits
    /// for that. If the other fails, or is cancelled, the one who has waited longest tries next.
    ///
    /// # Errors
    /// What `init` gives. The cancellation of the scope while waiting for another task.
    ///
    /// # Cancel safety
    /// As that of `init`. Nothing is lost for others.
    ///
    /// # Panics
    /// If the value is asked for by `init`, or by what that polls: it would wait for itself.
    pub async fn get_or_try_init<E: From<Cancelled>>(
        &self,
        init: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        let mut waiting = Waiting::new(Wait(self));
        let found = poll_fn(|cx| {
            if let Some(maker) = self.making.get() {
                assert!(
                    !maker.waits_for(Maker::of(cx)),
                    "what makes a value has asked for that value, and would wait for itself"
                );
            }
            Pin::new(&mut waiting).poll(cx)
        });
        let turn = match found.await? {
            Found::Value(value) => return Ok(value),
            Found::Turn(turn) => turn,
        };
        let value = self.make(init()).await?;
        let value = self.value.get_or_init(|| value);
        drop(turn);
        Ok(value)
    }

    /// Polls what makes the value, and notes meanwhile that it does.
    async fn make<V>(&self, init: impl Future<Output = V>) -> V {
        struct Making<'a>(&'a Cell<Option<Maker>>);
        impl Drop for Making<'_> {
            fn drop(&mut self) {
                self.0.set(None);
            }
        }
        let mut init = pin!(init);
        poll_fn(|cx| {
            self.making.set(Some(Maker::of(cx)));
            let _making = Making(&self.making);
            init.as_mut().poll(cx)
        })
        .await
    }

    /// The same with an `init` that does not fail.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled while another task makes the value, or before this one does.
    ///
    /// # Cancel safety
    /// As for [`get_or_try_init`](Self::get_or_try_init).
    ///
    /// # Panics
    /// As for [`get_or_try_init`](Self::get_or_try_init).
    pub async fn get_or_init(&self, init: impl AsyncFnOnce() -> T) -> Result<&T, Cancelled> {
        let made: Result<&T, Failed<Infallible>> = self.get_or_try_init(async || Ok(init().await)).await;
        made.map_err(|Failed::Cancelled(cancelled)| cancelled)
    }

    /// Sets the value, and wakes those who wait for somebody else to make it.
    ///
    /// # Errors
    /// Gives it back if there is one already. What another task is just making is dropped when it is ready.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.waiting.answer_all(READY);
        Ok(())
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// How it stands.
    pub fn statistics(&self) -> OnceCellStatistics {
        OnceCellStatistics { initialized: self.get().is_some(), tasks_waiting: self.waiting.len() }
    }

    /// Whoever had their turn has ended it, with a value or without.
    fn end_turn(&self) {
        if self.value.get().is_some() {
            self.busy.set(false);
            self.waiting.answer_all(READY);
        } else if !self.waiting.hand_over(YOUR_TURN, |_| ()) {
            self.busy.set(false);
        }
    }
}

/// Why there is no value although the making of it cannot fail with an `E` that has no values.
enum Failed<E> {
    Cancelled(Cancelled),
    #[expect(dead_code, reason = "has no values")]
    Never(E),
}

impl<E> From<Cancelled> for Failed<E> {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}

struct Wait<'a, T>(&'a OnceCell<T>);

enum Found<'a, T> {
    Value(&'a T),
    Turn(Turn<'a, T>),
}

/// The right to make the value. It ends when this is dropped.
struct Turn<'a, T>(&'a OnceCell<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.0.end_turn();
    }
}

impl<'a, T> Grant for Wait<'a, T> {
    const REASON: WaitReason = WaitReason::OnceCell;

    type Output = Found<'a, T>;

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        if let Some(value) = self.0.get() {
            return Some(Found::Value(value));
        }
        (!self.0.busy.replace(true)).then(|| Found::Turn(Turn(self.0)))
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        match self.0.get() {
            Some(value) => Found::Value(value),
            None => Found::Turn(Turn(self.0)),
        }
    }

    fn pass_on(&mut self, answer: i32) {
        if answer == YOUR_TURN {
            self.0.end_turn();
        }
    }
}
