//! Tasks that go on although they are told that they are cancelled.

use anyio::{Result, foreign, lowlevel, sleep, task_group, testing::test_backends};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    time::Duration,
};

thread_local! {
    /// What was logged on this thread, since the log is the whole process's and other tests are beside this one.
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.with_borrow_mut(|warnings| warnings.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

#[test]
fn neighbours_of_a_task_that_swallows_go_on_and_one_warning_is_given() {
    static LOG: Warnings = Warnings;
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    for backend in test_backends() {
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
        let (swallowed, turns) = ran.unwrap().unwrap();
        assert!(turns > swallowed / 100, "{turns} turns beside {swallowed} swallowed cancellations");
        let warnings = WARNINGS.take();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("does it swallow the error?"), "{warnings:?}");
    }
}
