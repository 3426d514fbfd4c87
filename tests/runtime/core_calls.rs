//! What cores do for each other.

mod cancelling;
mod children;
mod ending;
mod failing;
mod per_core;
mod running;

use anyio::{Builder, Core, Result, cross::Event, sleep_forever, testing::test_backends};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// Runs a program on two cores, of which the second waits until the first has ended, on each back end.
fn with_other(test: impl AsyncFn(&Core, &Core) -> Result<()> + Sync) {
    for backend in test_backends() {
        let over = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Ok(over.wait().await?);
            }
            let other = core.all().nth(1).unwrap();
            let ended = test(core, &other).await;
            over.set();
            ended
        });
        assert_eq!(ended.unwrap().map(|values| values.len()), Some(2));
    }
}

async fn forever<T>() -> Result<T> {
    Err(sleep_forever().await.into())
}

fn set(flag: &Arc<AtomicBool>) {
    flag.store(true, Ordering::SeqCst);
}

fn is_set(flag: &Arc<AtomicBool>) -> bool {
    flag.load(Ordering::SeqCst)
}

fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

fn event() -> Arc<Event> {
    Arc::default()
}
