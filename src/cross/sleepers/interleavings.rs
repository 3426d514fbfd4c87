//! All interleavings of those who wait for a change and those who make it.

use super::{Sleeper, Sleepers};
use anyio_driver::synchronization::{AtomicBool, Mutex, Parker, explore, thread};
use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
};

/// Waits until an attempt succeeds.
fn wait<T>(sleepers: &Sleepers, mut attempt: impl FnMut() -> Option<T>) -> T {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    let mut sleeper = Sleeper::new(sleepers);
    loop {
        if let Poll::Ready(result) = sleeper.poll(&Context::from_waker(&waker), &mut attempt) {
            return result;
        }
        parker.park();
    }
}

#[derive(Default)]
struct Flag {
    set: AtomicBool,
    sleepers: Sleepers,
}

impl Flag {
    /// The fences of the list alone make this work: the flag has no order of its own.
    fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
        self.sleepers.wake(2);
    }

    fn wait(&self) {
        wait(&self.sleepers, || self.set.load(Ordering::Relaxed).then_some(()));
    }
}

#[test]
fn who_waits_for_a_flag_sees_it_set() {
    explore(3, || {
        let flag = Arc::new(Flag::default());
        let setter = flag.clone();
        let setting = thread::spawn(move || setter.set());
        flag.wait();
        setting.join().unwrap();
    });
}

#[test]
fn who_waits_for_a_flag_sees_it_set_for_all() {
    explore(3, || {
        let flag = Arc::new(Flag::default());
        let setter = flag.clone();
        let setting = thread::spawn(move || {
            setter.set.store(true, Ordering::Relaxed);
            setter.sleepers.wake_all();
        });
        flag.wait();
        setting.join().unwrap();
    });
}

#[test]
fn two_who_wait_for_a_flag_see_it_set() {
    explore(3, || {
        let flag = Arc::new(Flag::default());
        let other = flag.clone();
        let waiting = thread::spawn(move || other.wait());
        let setter = flag.clone();
        let setting = thread::spawn(move || setter.set());
        flag.wait();
        waiting.join().unwrap();
        setting.join().unwrap();
    });
}

/// Items to be taken.
#[derive(Default)]
struct Store {
    items: Mutex<usize>,
    sleepers: Sleepers,
}

impl Store {
    fn put(&self) {
        *self.items.lock().unwrap() += 1;
        self.sleepers.wake(1);
    }

    fn take(&self) {
        wait(&self.sleepers, || {
            let mut items = self.items.lock().unwrap();
            *items = items.checked_sub(1)?;
            Some(())
        });
    }
}

#[test]
fn each_of_two_gets_an_item() {
    explore(3, || {
        let store = Arc::new(Store::default());
        let other = store.clone();
        let taking = thread::spawn(move || other.take());
        let giver = store.clone();
        let giving = thread::spawn(move || {
            giver.put();
            giver.put();
        });
        store.take();
        taking.join().unwrap();
        giving.join().unwrap();
    });
}

#[test]
fn who_was_woken_and_goes_away_wakes_the_next() {
    explore(3, || {
        let store = Arc::new(Store::default());
        let other = store.clone();
        let leaving = thread::spawn(move || {
            let waker = Waker::from(Arc::new(Parker::default()));
            let mut sleeper = Sleeper::new(&other.sleepers);
            assert!(sleeper.poll(&Context::from_waker(&waker), || None::<()>).is_pending());
        });
        let giver = store.clone();
        let giving = thread::spawn(move || giver.put());
        store.take();
        leaving.join().unwrap();
        giving.join().unwrap();
    });
}
