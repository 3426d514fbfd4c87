//! Tokio on a thread of its own.

use anyio::{
    CancelAware, Error, Result, move_on_after,
    testing::{Everywhere, cancel_everywhere},
};
use anyio_tokio::in_tokio;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Names the items whose sentence about cancelling a test asserts, as `FILE::FUNCTION`, the file without `src/` and `.rs`. The test
/// `completeness` of anyio reads these names.
macro_rules! covers {
    ($($item:literal),* $(,)?) => {
        const _: &[&str] = &[$($item),*];
    };
}

/// Takes its time to be dropped, and notes that it was.
struct SlowToDrop(Arc<AtomicBool>);

impl Drop for SlowToDrop {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(20));
        self.0.store(true, Ordering::SeqCst);
    }
}

#[anyio::test]
async fn what_tokio_does_on_its_thread_comes_back() -> Result<()> {
    let here = thread::current().id();
    let there = in_tokio(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::spawn(async { thread::current().id() }).await.unwrap()
    });
    assert_ne!(there.await?, here);
    Ok(())
}

#[anyio::test]
async fn a_scope_that_gives_up_waits_until_the_future_was_dropped() -> Result<()> {
    let dropped = Arc::new(AtomicBool::new(false));
    let slow = SlowToDrop(dropped.clone());
    let given_up = move_on_after(Duration::from_millis(5), async {
        in_tokio(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(slow);
        })
        .await
    });
    assert!(given_up.await?.is_none());
    assert!(dropped.load(Ordering::SeqCst), "it was awaited");
    Ok(())
}

#[anyio::test]
async fn in_a_cancelled_scope_nothing_goes_on_afterwards() -> Result<()> {
    let scope = anyio::CancelScope::new();
    let (sender, receiver) = mpsc::channel::<()>();
    let ended = scope
        .run(async || {
            scope.cancel();
            in_tokio(async move {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                drop(sender);
            })
            .await
        })
        .await?;
    assert!(ended.is_none());
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    Ok(())
}

#[anyio::test]
async fn a_future_that_is_dropped_ends_there_soon() -> Result<()> {
    let (sender, receiver) = mpsc::channel::<()>();
    {
        let mut there = Box::pin(in_tokio(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(sender);
        }));
        assert!(super::is_pending(there.as_mut()).await);
    }
    let ended = anyio::to_thread::run_sync(move || receiver.recv_timeout(Duration::from_secs(60))).await?;
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "on the other thread")]
async fn a_panic_there_goes_on_here() {
    let _: Result<()> = in_tokio(async { panic!("on the other thread") }).await;
}

#[anyio::test]
async fn an_error_of_the_future_is_no_cancellation() -> Result<()> {
    let answer = in_tokio(async { Err::<(), _>(Error::WouldBlock) }).await?;
    assert!(answer.is_err_and(|error| !error.is_cancelled()));
    Ok(())
}

/// Counts those of its kind that are there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[anyio::test(calm = "each of its runs is cut short elsewhere")]
async fn nothing_of_a_future_is_left_wherever_it_is_cancelled() {
    covers!["island::in_tokio"];
    let setup = async || Arc::<AtomicUsize>::default();
    let body = async |count: &mut Arc<AtomicUsize>| -> Result<u32> {
        let counted = Counted::new(count);
        in_tokio(async move {
            let _counted = counted;
            tokio::time::sleep(Duration::from_micros(200)).await;
            42
        })
        .await
    };
    let check = async |count: Arc<AtomicUsize>, given: Option<u32>| {
        assert_eq!(count.load(Ordering::SeqCst), 0, "it was awaited");
        assert!(given.is_none_or(|given| given == 42));
    };
    cancel_everywhere(Everywhere::cancel().allow_differences(), &setup, &body, &check).await;
    // It is dropped a little later then.
    let check = async |count: Arc<AtomicUsize>, _| {
        while count.load(Ordering::SeqCst) > 0 {
            anyio::sleep(Duration::from_millis(1)).await.unwrap();
        }
    };
    cancel_everywhere(Everywhere::drop().allow_differences(), &setup, &body, &check).await;
}
