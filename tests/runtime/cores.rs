//! Programs on several cores.

use anyio::{
    Builder, CancelScope, Core, Error, ErrorGroup, RemoteScope, Result, lowlevel, run_on_cores, sleep,
    sleep_forever, testing::test_backends,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, mpsc},
    thread::ThreadId,
    time::Duration,
};

fn each_backend(test: impl Fn(Builder)) {
    for backend in test_backends() {
        test(Builder::new().backend(backend));
    }
}

async fn forever<T>() -> Result<T> {
    Err(sleep_forever().await.into())
}

#[test]
fn each_core_has_a_thread_and_values_come_in_order() {
    each_backend(|builder| {
        let values: Result<_, ErrorGroup<Error>> =
            builder.run_on_cores(3, async |core: &Core| -> Result<(usize, usize, ThreadId)> {
                sleep(Duration::from_millis(3 - core.index() as u64)).await?;
                Ok((core.index(), core.count(), std::thread::current().id()))
            });
        let values = values.unwrap().unwrap();
        assert_eq!(
            values.iter().map(|value| (value.0, value.1)).collect::<Vec<_>>(),
            [(0, 3), (1, 3), (2, 3)]
        );
        assert!(values[0].2 != values[1].2 && values[1].2 != values[2].2);
    });
}

#[test]
fn the_first_error_cancels_the_other_cores() {
    each_backend(|builder| {
        let cleaned = Mutex::new(0);
        let ended = builder.run_on_cores(3, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                return Err(Error::WouldBlock);
            }
            let ended = forever().await;
            anyio::shield(sleep(Duration::from_millis(1))).await?;
            *cleaned.lock().unwrap() += 1;
            ended
        });
        assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        assert_eq!(cleaned.into_inner().unwrap(), 2);
    });
}

#[test]
fn errors_of_several_cores_come_out_together() {
    each_backend(|builder| {
        let ended = builder.run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 0 {
                return Err(Error::WouldBlock);
            }
            sleep_forever().await;
            Err(Error::EndOfStream)
        });
        let errors: Vec<_> = ended.unwrap_err().into_iter().collect();
        assert!(matches!(errors[..], [Error::WouldBlock, Error::EndOfStream]));
    });
}

#[test]
fn a_panic_on_one_core_cancels_the_others_and_goes_on() {
    each_backend(|builder| {
        let cancelled = Mutex::new(false);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            builder.run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 0 {
                    panic!("on a core");
                }
                let ended = forever().await;
                *cancelled.lock().unwrap() = lowlevel::is_cancelled();
                ended
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"on a core"));
        assert!(cancelled.into_inner().unwrap());
    });
}

#[test]
fn one_core_cancels_a_scope_on_another() {
    each_backend(|builder| {
        let (sender, receiver) = mpsc::channel::<RemoteScope>();
        let (sender, receiver) = (Mutex::new(sender), Mutex::new(receiver));
        let ended: Result<_, ErrorGroup<Error>> =
            builder.run_on_cores(2, async |core: &Core| -> Result<bool> {
                if core.index() == 0 {
                    // Not for ever: the other core may not have begun.
                    let limit = Duration::from_secs(20);
                    let remote = receiver.lock().unwrap().recv_timeout(limit).unwrap();
                    return Ok(remote.cancel());
                }
                let scope = CancelScope::new();
                let ended = scope
                    .run(async || -> Result<()> {
                        sender.lock().unwrap().send(scope.remote()).unwrap();
                        forever().await
                    })
                    .await?;
                Ok(ended.is_none())
            });
        assert_eq!(ended.unwrap(), Some(vec![true, true]));
    });
}

#[test]
fn a_core_refuses_another_run_on_its_thread() {
    let ended: Result<_, ErrorGroup<Error>> =
        run_on_cores(1, async |_: &Core| -> Result<bool> { Ok(Builder::new().run(async || ()).is_err()) });
    assert_eq!(ended.unwrap(), Some(vec![true]));
}
