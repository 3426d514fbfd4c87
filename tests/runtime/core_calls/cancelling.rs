//! Calls that are cancelled, dropped or forgotten.

use super::{LONG, event, flag, is_set, set, with_other};
use crate::peers::poll_once;
use anyio::{
    CancelScope, ReasonKind, Result, current_cancel_reason, move_on_after, shield, sleep, sleep_forever,
    task_group,
};
use std::{
    pin::pin,
    sync::{Arc, atomic::AtomicBool, mpsc},
    thread,
    time::Duration,
};

#[test]
fn cancelling_reaches_the_other_core_and_is_awaited() {
    with_other(async |_, other| {
        let (begun, cleaned) = (flag(), flag());
        let (tell, noted) = (begun.clone(), cleaned.clone());
        let scope = CancelScope::new();
        let value = scope
            .run(async || {
                let call = other.run(async move || {
                    set(&tell);
                    sleep_forever().await;
                    let reason = current_cancel_reason().unwrap();
                    shield(sleep(Duration::from_millis(5))).await.unwrap();
                    set(&noted);
                    (reason.kind(), reason.message().map(str::to_owned))
                });
                let mut call = pin!(call);
                std::future::poll_fn(|cx| {
                    if is_set(&begun) && !scope.cancel_called() {
                        scope.cancel_because("enough");
                    }
                    cx.waker().wake_by_ref();
                    call.as_mut().poll(cx)
                })
                .await
            })
            .await?;
        assert!(is_set(&cleaned));
        // What it gives comes out all the same.
        assert_eq!(value, Some((ReasonKind::Explicit, Some("enough".to_owned()))));
        Ok(())
    });
}

#[test]
fn what_has_not_begun_is_taken_back_when_it_is_cancelled() {
    struct Noted(thread::ThreadId, Arc<AtomicBool>);
    impl Drop for Noted {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0, "it never left its thread");
            set(&self.1);
        }
    }
    with_other(async |_, other| {
        let reached = event();
        let tell = reached.clone();
        let (go_on, wait) = mpsc::channel::<()>();
        let blocked = async move || {
            tell.set();
            // Its whole thread waits.
            wait.recv_timeout(LONG).unwrap();
        };
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { other.run(blocked).await });
            reached.wait().await?;
            let dropped = flag();
            let noted = Noted(thread::current().id(), dropped.clone());
            let begun = flag();
            let tell = begun.clone();
            let ended = move_on_after(
                Duration::from_millis(2),
                other.run(async move || {
                    set(&tell);
                    drop(noted);
                }),
            )
            .await?;
            assert!(ended.is_none() && is_set(&dropped));
            go_on.send(()).unwrap();
            assert_eq!(other.run(async || 1).await?, 1);
            assert!(!is_set(&begun));
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn what_was_begun_is_cancelled_when_its_future_is_dropped() {
    with_other(async |_, other| {
        let (begun, ended) = (event(), event());
        let (tell, note) = (begun.clone(), ended.clone());
        let mut call = Box::pin(other.run(async move || {
            tell.set();
            sleep_forever().await;
            note.set();
        }));
        assert!(poll_once(call.as_mut()).await.is_pending());
        begun.wait().await?;
        drop(call);
        Ok(ended.wait().await?)
    });
}

#[test]
fn calls_that_are_forgotten_keep_no_core_from_ending() {
    with_other(async |core, other| {
        for target in [core, other] {
            let begun = event();
            let tell = begun.clone();
            let mut call = Box::pin(target.run(async move || {
                tell.set();
                sleep_forever().await;
            }));
            assert!(poll_once(call.as_mut()).await.is_pending());
            begun.wait().await?;
            std::mem::forget(call);
            // Also by what another core was asked for.
            let inner = other.clone();
            core.run(async move || {
                let mut call = Box::pin(inner.run(async || sleep_forever().await));
                assert!(poll_once(call.as_mut()).await.is_pending());
                std::mem::forget(call);
            })
            .await?;
        }
        Ok(())
    });
}
