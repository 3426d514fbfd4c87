//! Who waits for a change that any thread may make.
//!
//! # Contract
//! A waiter enters the list and looks for the change once more afterwards; a changer makes the change and looks at the
//! list afterwards. Full fences lie in between, so at least one of them sees the other and no wake-up is lost. Whoever was
//! taken off the list and then does not use the change wakes the next.

use crate::runtime::FirstPanic;
use anyio_driver::synchronization::{AtomicUsize, Mutex, MutexGuard, fence};
use std::{
    collections::VecDeque,
    sync::{PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker},
};

#[derive(Debug, Default)]
pub(super) struct Sleepers {
    /// How many are on the list, to be read without the lock.
    count: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    last: u64,
    wakers: VecDeque<(u64, Waker)>,
}

impl List {
    /// Where the sleeper of this number stands.
    fn place(&self, number: u64) -> Option<usize> {
        self.wakers.binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}

impl Sleepers {
    pub(super) const fn new() -> Self {
        let list = List { last: 0, wakers: VecDeque::new() };
        Self { count: AtomicUsize::new(0), list: Mutex::new(list) }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Neither code of users runs under the lock, such as that of wakers, nor any that can panic.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who have waited longest, up to `count` of them. Called after the change was made.
    pub(super) fn wake(&self, count: usize) {
        fence(Ordering::SeqCst);
        let panics = FirstPanic::new();
        for _ in 0..count {
            if self.len() == 0 {
                break;
            }
            let woken = {
                let mut list = self.list();
                let woken = list.wakers.pop_front();
                self.count.store(list.wakers.len(), Ordering::SeqCst);
                woken
            };
            if let Some((_, waker)) = woken {
                panics.catch(|| waker.wake());
            }
        }
        panics.resume();
    }

    /// Wakes all. Called after the change was made.
    pub(super) fn wake_all(&self) {
        // The lock is taken in any case, so it orders what the fences order elsewhere.
        let woken = {
            let mut list = self.list();
            self.count.store(0, Ordering::SeqCst);
            std::mem::take(&mut list.wakers)
        };
        let panics = FirstPanic::new();
        for (_, waker) in woken {
            panics.catch(|| waker.wake());
        }
        panics.resume();
    }
}

/// One who waits, or will.
#[derive(Debug)]
pub(super) struct Sleeper<'a> {
    sleepers: &'a Sleepers,
    number: Option<u64>,
}

impl<'a> Sleeper<'a> {
    pub(super) fn new(sleepers: &'a Sleepers) -> Self {
        Self { sleepers, number: None }
    }

    /// Tries; if there is nothing, waits for a change and tries again.
    pub(super) fn poll<T>(&mut self, cx: &Context<'_>, mut attempt: impl FnMut() -> Option<T>) -> Poll<T> {
        if let Some(result) = attempt() {
            self.leave();
            return Poll::Ready(result);
        }
        self.enter(cx.waker());
        fence(Ordering::SeqCst);
        match attempt() {
            Some(result) => {
                self.leave();
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }

    /// Enters the list at its end, or keeps the place there.
    fn enter(&mut self, waker: &Waker) {
        // Cloned before the list is locked, and the one before is dropped afterwards: both may be anyone's code.
        let waker = waker.clone();
        let before = {
            let mut list = self.sleepers.list();
            let place = self.number.and_then(|number| list.place(number));
            match place {
                Some(place) => Some(std::mem::replace(&mut list.wakers[place].1, waker)),
                None => {
                    list.last += 1;
                    let number = list.last;
                    list.wakers.push_back((number, waker));
                    self.number = Some(number);
                    self.sleepers.count.store(list.wakers.len(), Ordering::SeqCst);
                    None
                }
            }
        };
        drop(before);
    }

    /// Leaves the list. False if it had been taken off the list, that is, woken.
    fn leave(&mut self) -> bool {
        let Some(number) = self.number.take() else { return true };
        let left = {
            let mut list = self.sleepers.list();
            let left = list.place(number).and_then(|place| list.wakers.remove(place));
            self.sleepers.count.store(list.wakers.len(), Ordering::SeqCst);
            left
        };
        left.is_some()
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if !self.leave() {
            self.sleepers.wake(1);
        }
    }
}

#[cfg(all(test, loom))]
mod interleavings;
