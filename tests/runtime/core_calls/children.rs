//! Children on other cores.

use super::{LONG, event, flag, forever, is_set, with_other};
use anyio::{
    Builder, Core, Error, Result, cross::Event, finishing, lowlevel, task_group, testing::test_backends,
};
use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

#[test]
fn an_error_of_a_child_elsewhere_cancels_its_siblings_and_comes_out() {
    with_other(async |core, other| {
        let cancelled = flag();
        let ended = task_group(async |tg| -> Result<()> {
            let noted = cancelled.clone();
            tg.spawn_on(other, async move || -> Result<()> {
                let ended = forever().await;
                noted.store(lowlevel::is_cancelled(), Ordering::SeqCst);
                ended
            });
            tg.start_soon(forever::<()>());
            tg.spawn_on(core, async || -> Result<()> { forever().await });
            tg.spawn_on(other, async || -> Result<()> { Err(Error::WouldBlock) });
            forever().await
        })
        .await;
        assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        assert!(is_set(&cancelled), "it is awaited, too");
        Ok(())
    });
}

#[test]
fn the_values_of_children_elsewhere_come_by_their_handles() {
    with_other(async |core, other| {
        task_group(async |tg| -> Result<()> {
            let one = tg.spawn_on(other, async || Ok(1));
            let two = tg.spawn_on(core, async || Ok(2));
            assert_eq!((one.await?, two.await?), (1, 2));
            let mut cancelled = tg.spawn_on(other, async || -> Result<()> { forever().await });
            cancelled.cancel();
            assert_eq!(cancelled.outcome().await?, Err(anyio::NoValue::Cancelled));
            // Forgotten or dropped, it goes on.
            let done = event();
            let tell = done.clone();
            std::mem::forget(tg.spawn_on(other, async move || {
                tell.set();
                Ok(())
            }));
            done.wait().await?;
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn thousands_of_children_go_both_ways() {
    const COUNT: u64 = 5000;
    for backend in test_backends() {
        let arrived = Event::new();
        let arrivals = AtomicUsize::new(0);
        let sums = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<u64> {
            let other = core.all().find(|other| other != core).unwrap();
            let sum = Cell::new(0);
            task_group(async |tg| -> Result<()> {
                for number in 0..COUNT {
                    let child = tg.spawn_on(&other, async move || Ok(number));
                    let sum = &sum;
                    tg.start_soon(async move {
                        let number = child.await?;
                        sum.set(sum.get() + number);
                        anyio::Ok(())
                    });
                }
                Ok(())
            })
            .await?;
            // Neither ends before the other has been answered.
            if arrivals.fetch_add(1, Ordering::SeqCst) == 1 {
                arrived.set();
            }
            arrived.wait().await?;
            Ok(sum.get())
        });
        assert_eq!(sums.unwrap(), Some(vec![COUNT * (COUNT - 1) / 2; 2]));
    }
}

#[test]
fn a_finishing_scope_finishes_what_it_has_others_do() {
    with_other(async |_, other| {
        let begun = event();
        let tell = begun.clone();
        let ended = task_group(async |tg| -> Result<&str> {
            let child = tg.spawn_on(other, async move || {
                tell.set();
                finishing().await?;
                Ok("in good order")
            });
            begun.wait().await?;
            tg.finish(LONG);
            Ok(child.await?)
        })
        .await?;
        assert_eq!(ended, Some("in good order"));
        Ok(())
    });
}
