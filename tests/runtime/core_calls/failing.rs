//! Cores that fail or panic, and what the others hear.

use super::{LONG, event, flag, forever, is_set, set};
use crate::peers::poll_once;
use anyio::{
    Builder, CancelScope, Core, Error, ReasonKind, Result, current_cancel_reason, shield, sleep,
    sleep_forever, task_group, testing::test_backends,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

#[test]
fn a_panic_that_nobody_waits_for_ends_all_cores_with_its_cause() {
    for backend in test_backends() {
        let heard = Mutex::new(None);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 1 {
                    return forever().await;
                }
                let begun = event();
                let tell = begun.clone();
                let other = core.all().nth(1).unwrap();
                let mut call = Box::pin(other.run(async move || {
                    tell.set();
                    sleep_forever().await;
                    panic!("after all");
                }));
                assert!(poll_once(call.as_mut()).await.is_pending());
                begun.wait().await?;
                drop(call);
                let ended = forever().await;
                *heard.lock().unwrap() = current_cancel_reason();
                ended
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"after all"));
        let reason = heard.into_inner().unwrap().unwrap();
        assert_eq!(reason.kind(), ReasonKind::SiblingFailed);
        assert_eq!(reason.message(), Some("core 1 panicked: after all"));
    }
}

#[test]
fn a_core_that_fails_tells_the_others_why_and_waits_for_what_it_was_asked_for() {
    for backend in test_backends() {
        let cleaned = flag();
        let heard = Mutex::new(None);
        let begun = event();
        let ended = Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
            if core.index() == 1 {
                begun.wait().await?;
                return Err(Error::WouldBlock);
            }
            let other = core.all().nth(1).unwrap();
            let (tell, noted) = (begun.clone(), cleaned.clone());
            let ended = task_group(async |tg| -> Result<()> {
                tg.spawn_on(&other, async move || -> Result<()> {
                    tell.set();
                    let ended = forever().await;
                    shield(sleep(Duration::from_millis(2))).await?;
                    set(&noted);
                    ended
                });
                Ok(())
            })
            .await;
            *heard.lock().unwrap() = current_cancel_reason();
            assert!(is_set(&cleaned));
            ended?;
            Ok(())
        });
        // The cancellation of the child is none of the errors.
        assert!(matches!(ended.unwrap_err().into_single(), Ok(Error::WouldBlock)));
        let reason = heard.into_inner().unwrap().unwrap();
        assert_eq!(reason.message(), Some("core 1 failed: cannot be done without waiting"));
    }
}

struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

#[test]
fn destructors_that_panic_end_the_program_in_order() {
    for backend in test_backends() {
        for way in 0..4 {
            let begun = event();
            let tell = begun.clone();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                    if core.index() == 1 {
                        return forever().await;
                    }
                    let other = core.all().nth(1).unwrap();
                    let bomb = Bomb("a destructor");
                    match way {
                        // Of what was captured, there.
                        0 => other.run(async move || drop(bomb)).await?,
                        // Of the value, here.
                        1 => drop(other.run(async move || bomb).await?),
                        // Of the value, which nobody waits for, there.
                        2 => {
                            let tell = tell.clone();
                            let mut call = Box::pin(other.run(async move || {
                                tell.set();
                                sleep_forever().await;
                                bomb
                            }));
                            assert!(poll_once(call.as_mut()).await.is_pending());
                            begun.wait().await?;
                            drop(call);
                        }
                        // Of what was captured and is refused.
                        _ => {
                            let scope = CancelScope::new();
                            scope.cancel();
                            scope.run(async || other.run(async move || drop(bomb)).await).await?;
                        }
                    }
                    forever().await
                })
            }));
            let payload = panicked.unwrap_err();
            assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("a destructor"), "{way}");
        }
    }
}

#[test]
fn a_request_that_is_left_in_a_run_that_fails_is_dropped_and_answered() {
    for backend in test_backends() {
        let (tell, told) = mpsc::channel();
        let told = Mutex::new(told);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            Builder::new().backend(backend).run_on_cores(2, async |core: &Core| -> Result<()> {
                if core.index() == 1 {
                    // Its thread is blocked until a request is there, and panics without having looked at it.
                    told.lock().unwrap().recv_timeout(LONG).unwrap();
                    panic!("a first one");
                }
                let other = core.all().nth(1).unwrap();
                let mut calls: Vec<_> =
                    (0..10).map(|number| Box::pin(other.run(async move || number))).collect();
                for call in &mut calls {
                    assert!(poll_once(call.as_mut()).await.is_pending());
                }
                tell.send(()).unwrap();
                for call in calls {
                    // Begun in a cancelled scope, or cancelled here.
                    let ended = call.await;
                    assert!(matches!(ended, Ok(_) | Err(Error::Cancelled(_))), "{ended:?}");
                }
                forever().await
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"a first one"));
    }
}
