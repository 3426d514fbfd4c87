//! Tasks that go on although they are told that they are cancelled. The log is this process's own.

use anyio::{Result, foreign, lowlevel, sleep, task_group};
use std::{
    cell::Cell,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

static WARNINGS: AtomicUsize = AtomicUsize::new(0);

struct Counts;

impl log::Log for Counts {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            assert!(record.args().to_string().contains("does it swallow the error?"), "{}", record.args());
            WARNINGS.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}

#[test]
fn neighbours_of_a_task_that_swallows_go_on_and_one_warning_is_given() {
    static LOG: Counts = Counts;
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    for backend in [anyio::Backend::Poll, anyio::Backend::Uring] {
        WARNINGS.store(0, Ordering::SeqCst);
        let ran = anyio::Builder::new().backend(backend).run(async || -> Result<(u64, u64)> {
            let (swallowed, turns) = (Cell::new(0u64), Cell::new(0u64));
            task_group(async |tg| -> Result<()> {
                let (swallowed, turns) = (&swallowed, &turns);
                let swallows = tg.start_soon(async move {
                    while swallowed.get() < 100_000 {
                        let _ = sleep(Duration::from_secs(3600)).await;
                        let _ = foreign(pending::<()>()).await;
                        let _ = lowlevel::checkpoint().await;
                        swallowed.set(swallowed.get() + 3);
                    }
                });
                swallows.cancel();
                tg.start_soon(async move {
                    while !swallows.is_finished() {
                        lowlevel::checkpoint().await?;
                        turns.set(turns.get() + 1);
                    }
                    anyio::Ok(())
                });
                sleep(Duration::from_millis(1)).await?;
                Ok(())
            })
            .await?;
            Ok((swallowed.get(), turns.get()))
        });
        let Ok(ran) = ran else { continue };
        let (swallowed, turns) = ran.unwrap();
        assert!(turns > swallowed / 100, "{turns} turns beside {swallowed} swallowed cancellations");
        assert_eq!(WARNINGS.load(Ordering::SeqCst), 1);
    }
}
