//! A baton that two threads pass to and fro: what wakes a task of another runtime costs.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
};

use anyhow::{Context, anyhow};
use futures_util::task::AtomicWaker;

use crate::measuring::{
    job::Order,
    limits,
    stopwatch::{Measured, measure},
};

/// Runs a future to its end in a new runtime on this thread.
pub(crate) type Run = fn(Pin<Box<dyn Future<Output = ()>>>) -> anyhow::Result<()>;

/// A place for the baton, with one task at most that waits for it.
#[derive(Default)]
struct Place {
    here: AtomicBool,
    waiting: AtomicWaker,
}

impl Place {
    fn put(&self) {
        self.here.store(true, Ordering::Release);
        self.waiting.wake();
    }

    async fn take(&self) {
        poll_fn(|cx| {
            if self.here.swap(false, Ordering::Acquire) {
                return Poll::Ready(());
            }
            self.waiting.register(cx.waker());
            if self.here.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[derive(Default)]
struct Relay {
    there: Place,
    back: Place,
    over: AtomicBool,
}

/// Round trips between a task of this thread and one of a second runtime on the other processor.
pub(crate) fn cross_core(order: &Order, run: Run) -> anyhow::Result<Measured> {
    let relay = Arc::new(Relay::default());
    let other = thread::spawn({
        let (relay, core) = (Arc::clone(&relay), order.other_core);
        move || {
            limits::pin_to_core(core)?;
            run(Box::pin(async move {
                loop {
                    relay.there.take().await;
                    if relay.over.load(Ordering::Acquire) {
                        return;
                    }
                    relay.back.put();
                }
            }))
        }
    });
    let result = Arc::new(Mutex::new(None));
    let ran = run({
        let (relay, result, operations) = (Arc::clone(&relay), Arc::clone(&result), order.operations);
        Box::pin(async move {
            let measured = measure(operations, async |count| -> anyhow::Result<()> {
                for _ in 0..count {
                    relay.there.put();
                    relay.back.take().await;
                }
                Ok(())
            })
            .await;
            if let Ok(mut result) = result.lock() {
                *result = Some(measured);
            }
        })
    });
    relay.over.store(true, Ordering::Release);
    relay.there.put();
    other.join().map_err(|_| anyhow!("the other thread panicked"))??;
    ran?;
    let measured = result.lock().map_err(|_| anyhow!("the measurement panicked"))?.take();
    measured.context("the measurement did not end")?
}
