//! Calls to cores that end.

use super::{event, flag, forever, is_set, set};
use crate::peers::until;
use anyio::{
    Builder, Core, Error, Result, cross::Event, lowlevel, sleep, task_group, testing::test_backends,
};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

struct Noted(Arc<AtomicBool>);

impl Drop for Noted {
    fn drop(&mut self) {
        set(&self.0);
    }
}

#[test]
fn a_core_that_has_ended_says_so() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend);
        let cores = builder.run_on_cores(1, async |core: &Core| -> Result<Core> { Ok(core.clone()) });
        let core = cores.unwrap().unwrap().remove(0);
        let after = builder.run(async || -> Result<()> {
            let dropped = flag();
            let noted = Noted(dropped.clone());
            let refused = core.run(async move || drop(noted)).await;
            assert!(matches!(refused, Err(Error::RunFinished)), "{refused:?}");
            assert!(is_set(&dropped));
            let failed = task_group(async |tg| -> Result<()> {
                tg.spawn_on(&core, async || Ok(()));
                forever().await
            })
            .await;
            assert!(matches!(failed.unwrap_err().into_single(), Ok(Error::RunFinished)));
            assert_eq!((core.utilisation(), core.connections()), (0.0, 0));
            Ok(())
        });
        after.unwrap().unwrap();
    }
}

#[test]
fn a_core_whose_program_has_returned_goes_on_with_what_others_ask() {
    for backend in test_backends() {
        let returning = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<usize> {
            if core.index() == 1 {
                returning.set();
                return Ok(0);
            }
            returning.wait().await?;
            let other = core.all().nth(1).unwrap();
            let mut answered = 0;
            for _ in 0..20 {
                answered += other.run(async || sleep(Duration::from_millis(1)).await.map(|()| 1)).await??;
            }
            Ok(answered)
        });
        assert_eq!(ended.unwrap(), Some(vec![20, 0]));
    }
}

#[test]
fn a_core_ends_when_what_it_was_asked_for_has() {
    for backend in test_backends() {
        let (begun, done) = (event(), flag());
        let (tell, asked) = mpsc::channel::<Core>();
        let (has_begun, noted) = (begun.clone(), done.clone());
        // A run that is none of a core's: all programs return while it waits.
        let outside = thread::spawn(move || {
            let core = asked.recv().unwrap();
            anyio::run(async || {
                core.run(async move || {
                    has_begun.set();
                    let here = Core::current().unwrap();
                    // Until the cores take nothing more.
                    while here.run(async || ()).await.is_ok() {}
                    sleep(Duration::from_millis(5)).await.unwrap();
                    set(&noted);
                    7
                })
                .await
            })
        });
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 0 {
                tell.send(core.all().nth(1).unwrap()).unwrap();
            }
            Ok(begun.wait().await?)
        });
        assert!(ended.unwrap().is_some());
        assert_eq!(outside.join().unwrap().unwrap(), 7);
        assert!(is_set(&done));
    }
}

#[test]
fn each_call_on_its_way_to_a_core_that_ends_is_done_or_refused() {
    for backend in test_backends() {
        for after in [0, 1, 100, 1000] {
            let done = Arc::new(AtomicUsize::new(0));
            let (tell, asked) = mpsc::channel::<Core>();
            let counted = done.clone();
            let outside = thread::spawn(move || {
                let core = asked.recv().unwrap();
                let (answered, refused) = (Cell::new(0), Cell::new(0));
                anyio::run(async || {
                    task_group(async |tg| -> Result<()> {
                        for _ in 0..3000 {
                            let counted = counted.clone();
                            let (core, answered, refused) = (&core, &answered, &refused);
                            tg.start_soon(async move {
                                match core.run(async move || counted.fetch_add(1, Ordering::SeqCst)).await {
                                    Ok(_) => answered.set(answered.get() + 1),
                                    Err(Error::RunFinished) => refused.set(refused.get() + 1),
                                    Err(error) => return Err(error),
                                }
                                anyio::Ok(())
                            });
                            lowlevel::checkpoint().await?;
                        }
                        Ok(())
                    })
                    .await
                })
                .unwrap();
                (answered.get(), refused.get())
            });
            let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 1 {
                    tell.send(core.clone()).unwrap();
                }
                until(|| done.load(Ordering::SeqCst) >= after).await
            });
            assert!(ended.unwrap().is_some());
            let (answered, refused) = outside.join().unwrap();
            assert_eq!((answered + refused, answered), (3000, done.load(Ordering::SeqCst)));
        }
    }
}
