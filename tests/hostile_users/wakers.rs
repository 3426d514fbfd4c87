//! Wakers that do mischief when they are cloned, woken or dropped.
//!
//! # Contract
//! The data of a waker is a box of its own with a mark, which each clone allocates anew and `wake` or `drop` frees; so
//! one that is used too often shows at once.

use crate::{
    mischief,
    values::{Census, census, fault},
};
use std::{
    sync::{Arc, atomic::Ordering},
    task::{RawWaker, RawWakerVTable, Waker},
};

struct Hostile {
    mark: u64,
    census: Arc<Census>,
}

const MARK: u64 = 0x3a4e_3a4e_3a4e_3a4e;

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

pub(crate) fn hostile() -> Waker {
    // SAFETY: the table keeps the contract of wakers, and does so on all threads: off the program's own it does nothing.
    unsafe { Waker::from_raw(raw()) }
}

fn raw() -> RawWaker {
    let census = census();
    census.wakers.fetch_add(1, Ordering::SeqCst);
    RawWaker::new(Box::into_raw(Box::new(Hostile { mark: MARK, census })).cast(), &TABLE)
}

/// # Safety
/// `data` is that of a waker that is alive.
unsafe fn check(data: *const ()) {
    // SAFETY: the caller's promise.
    if unsafe { (&raw const (*data.cast::<Hostile>()).mark).read_volatile() } != MARK {
        fault("a waker was used after its end");
    }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: it is cloned while it is alive.
    unsafe { check(data) };
    mischief::maybe();
    raw()
}

unsafe fn wake(data: *const ()) {
    // SAFETY: waking by value ends a waker that was alive.
    unsafe { free(data) };
    mischief::maybe();
    mischief::maybe();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: it is woken while it is alive.
    unsafe { check(data) };
    mischief::maybe();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: it is dropped once, while it is alive.
    unsafe { free(data) };
    mischief::maybe();
}

/// # Safety
/// `data` is that of a waker that is alive, and ends here.
unsafe fn free(data: *const ()) {
    // SAFETY: the caller's promise.
    unsafe { check(data) };
    // SAFETY: it was allocated as this box.
    let mut hostile = unsafe { Box::from_raw(data.cast_mut().cast::<Hostile>()) };
    hostile.mark = 0;
    hostile.census.wakers.fetch_sub(1, Ordering::SeqCst);
}
