//! Calls on other cores that have ended in a way of which who waits would hear from nobody else.

use anyio::{
    Builder, Core, Error, Result, cores::PerCore, cross::Event, sleep_forever, task_group,
    testing::test_backends,
};
use futures_util::FutureExt;
use std::{cell::RefCell, future::Future, pin::Pin, sync::Arc, sync::mpsc, thread};

async fn forever<T>() -> Result<T> {
    Err(sleep_forever().await.into())
}

#[test]
fn a_child_on_a_core_fails_in_a_run_that_is_none_of_the_cores_when_they_are_cancelled() {
    for backend in test_backends() {
        let begun = Arc::new(Event::new());
        let (asked, who) = mpsc::channel::<Core>();
        let tell = begun.clone();
        let outside = thread::spawn(move || {
            let core = who.recv().unwrap();
            anyio::run(async || {
                let group = task_group(async |tg| -> Result<()> {
                    tg.spawn_on(&core, async move || -> Result<()> {
                        tell.set();
                        forever().await
                    });
                    Ok(())
                });
                Ok::<_, Error>(group.await.map(drop).map_err(|errors| errors.into_single()))
            })
        });
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 0 {
                asked.send(core.all().nth(1).unwrap()).unwrap();
                begun.wait().await?;
                return Err(Error::WouldBlock);
            }
            forever().await
        });
        assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        let failed = outside.join().unwrap().unwrap().unwrap_err();
        assert!(matches!(failed, Ok(Error::RunFinished)), "{failed:?}");
    }
}

#[test]
fn a_call_that_was_given_up_with_its_body_is_over_for_who_polls_it_later() {
    type Call = Pin<Box<dyn Future<Output = Result<()>>>>;
    static KEPT: PerCore<RefCell<Vec<Call>>> = PerCore::new(RefCell::default);
    for backend in test_backends() {
        let over = Event::new();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Ok(over.wait().await?);
            }
            let other = core.all().nth(1).unwrap();
            core.run(async move || {
                let mut call: Call = Box::pin(async move {
                    other
                        .run(async || {
                            sleep_forever().await;
                        })
                        .await
                });
                assert!(call.as_mut().now_or_never().is_none());
                KEPT.here().borrow_mut().push(call);
            })
            .await?;
            let call = KEPT.here().borrow_mut().pop().unwrap();
            let later = call.await;
            over.set();
            assert!(matches!(later, Err(Error::RunFinished)), "{later:?}");
            Ok(())
        });
        assert!(ended.unwrap().is_some());
    }
}
