//! Variables whose values tasks inherit.

use anyio::{
    Builder, Result, Started, TaskLocal, from_thread, gather, lowlevel::checkpoint, move_on_after,
    sleep_forever, task_group, to_thread,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

static NUMBER: TaskLocal<u32> = TaskLocal::new();
static NAME: TaskLocal<&'static str> = TaskLocal::new();

async fn number_after(turns: usize) -> Result<Option<u32>> {
    let before = NUMBER.get();
    for _ in 0..turns {
        checkpoint().await?;
        assert_eq!(NUMBER.get(), before);
    }
    Ok(before)
}

#[anyio::test]
async fn a_child_has_what_its_starter_had_wherever_its_group_is_polled() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let one = NUMBER.sync_scope(1, || tg.start_soon(number_after(9)));
        let two = NUMBER.sync_scope(2, || tg.start_soon(number_after(5)));
        let none = tg.start_soon(number_after(7));
        assert_eq!((one.await?, two.await?, none.await?), (Some(1), Some(2), None));
        Ok(())
    })
    .await?;
    let within = task_group(async |tg| -> Result<()> {
        let three = NUMBER.sync_scope(3, || tg.start_soon(number_after(5)));
        let nine = tg.start_soon(number_after(5));
        assert_eq!((three.await?, nine.await?), (Some(3), Some(9)));
        Ok(())
    });
    NUMBER.scope(9, within).await?;
    assert_eq!(NUMBER.get(), None);
    Ok(())
}

#[anyio::test]
async fn what_a_child_binds_is_its_own_and_goes_to_its_children() -> Result<()> {
    NUMBER
        .scope(
            1,
            task_group(async |tg| -> Result<()> {
                let child = tg.start_soon(NUMBER.scope(2, async {
                    let (grandchild, started) = task_group(async |tg| -> Result<_> {
                        let grandchild = tg.start_soon(NAME.scope("x", number_after(3)));
                        let start = async |started: Started<_>| {
                            started.set(NUMBER.get());
                            number_after(2).await
                        };
                        let (told, started) = NUMBER.scope(4, tg.start(start)).await?;
                        assert_eq!(told, Some(4));
                        Ok((grandchild.await?, started.await?))
                    })
                    .await?
                    .unwrap();
                    assert_eq!((grandchild, started), (Some(2), Some(4)));
                    number_after(1).await
                }));
                assert_eq!(child.await?, Some(2));
                assert_eq!((NUMBER.get(), NAME.get()), (Some(1), None));
                let gathered = gather([number_after(1), number_after(2)]).await?;
                assert_eq!(gathered, [Some(1), Some(1)]);
                Ok(())
            }),
        )
        .await?;
    Ok(())
}

#[anyio::test]
async fn an_inner_value_hides_the_outer_one_until_its_end_also_by_a_panic() -> Result<()> {
    NUMBER
        .scope(1, async {
            NAME.scope("inner", async {
                NUMBER
                    .scope(2, async { assert_eq!((NUMBER.get(), NAME.get()), (Some(2), Some("inner"))) })
                    .await;
                assert_eq!(NUMBER.get(), Some(1));
            })
            .await;
            let panicked = catch_unwind(AssertUnwindSafe(|| NUMBER.sync_scope(3, || panic!("on purpose"))));
            assert!(panicked.is_err());
            assert_eq!((NUMBER.get(), NAME.get()), (Some(1), None));
            let cancelled = move_on_after(
                Duration::ZERO,
                NUMBER.scope(4, async {
                    let cancelled = sleep_forever().await;
                    assert_eq!(NUMBER.get(), Some(4));
                    Err::<(), anyio::Error>(cancelled.into())
                }),
            );
            assert!(cancelled.await?.is_none());
            assert_eq!(NUMBER.get(), Some(1));
            anyio::Ok(())
        })
        .await?;
    assert_eq!(NUMBER.get(), None);
    Ok(())
}

#[anyio::test]
async fn threads_have_what_their_callers_have_and_hand_it_back() -> Result<()> {
    NUMBER
        .scope(1, async {
            let seen = to_thread::run_sync(|| -> Result<_> {
                let here = NUMBER.get();
                let asked = NUMBER.sync_scope(2, || {
                    from_thread::run(async || {
                        checkpoint().await?;
                        anyio::Ok(NUMBER.get())
                    })
                })??;
                Ok((here, asked, from_thread::run_sync(|| NUMBER.get())?))
            })
            .await??;
            assert_eq!(seen, (Some(1), Some(2), Some(1)));
            assert_eq!(NUMBER.get(), Some(1));
            anyio::Ok(())
        })
        .await?;
    // The thread, which is used again, has kept nothing.
    assert_eq!(to_thread::run_sync(|| NUMBER.get()).await?, None);
    Ok(())
}

#[test]
fn tasks_in_a_portal_have_what_the_thread_has_that_started_them() -> Result<()> {
    let portal = from_thread::start_blocking_portal(&Builder::new())?;
    let seen = NUMBER.sync_scope(5, || portal.call(async || number_after(2).await))??;
    assert_eq!(seen, Some(5));
    let told = NUMBER.sync_scope(6, || {
        portal.start_task(async |started: Started<_>| {
            started.set(NUMBER.get());
            number_after(2).await
        })
    });
    let (told, task) = told?;
    assert_eq!((told, task.wait()??), (Some(6), Some(6)));
    assert_eq!(portal.call(async || NUMBER.get())?, None);
    portal.close()
}

/// Notes the number that is current when it is dropped.
struct NoteAtDrop<'a>(&'a Cell<Option<u32>>);

impl Drop for NoteAtDrop<'_> {
    fn drop(&mut self) {
        self.0.set(NUMBER.get());
    }
}

#[anyio::test]
async fn what_is_dropped_with_a_future_is_dropped_with_its_values() -> Result<()> {
    let noted = Cell::new(None);
    let note = NoteAtDrop(&noted);
    drop(NUMBER.scope(1, async move { drop(note) }));
    assert_eq!(noted.take(), Some(1));
    let forever = async |note| {
        let _note: NoteAtDrop<'_> = note;
        Err::<(), anyio::Error>(sleep_forever().await.into())
    };
    task_group(async |tg| -> Result<()> {
        NUMBER.sync_scope(2, || tg.start_soon(forever(NoteAtDrop(&noted))));
        checkpoint().await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(noted.take(), Some(2));
    // One that is dropped with its group.
    let abandoned = task_group(async |tg| -> Result<()> {
        NUMBER.sync_scope(3, || tg.start_soon(forever(NoteAtDrop(&noted))));
        checkpoint().await?;
        Err(sleep_forever().await.into())
    });
    let mut abandoned = Box::pin(abandoned);
    let poll = std::future::poll_fn(|cx| {
        assert!(abandoned.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    });
    poll.await;
    drop(abandoned);
    assert_eq!(noted.take(), Some(3));
    Ok(())
}

#[anyio::test]
async fn a_value_goes_with_the_last_who_has_it() -> Result<()> {
    static SHARED: TaskLocal<Arc<()>> = TaskLocal::new();
    let value = Arc::new(());
    task_group(async |tg| -> Result<()> {
        let child = SHARED.sync_scope(Arc::clone(&value), || tg.start_soon(number_after(1)));
        assert_eq!(Arc::strong_count(&value), 2);
        child.wait().await?;
        assert_eq!(Arc::strong_count(&value), 1, "the handle of a child that has ended keeps nothing");
        assert_eq!(child.await?, None);
        Ok(())
    })
    .await?;
    let before =
        SHARED.sync_scope(Arc::clone(&value), || SHARED.with(|value| Arc::strong_count(value.unwrap())));
    assert_eq!((before, Arc::strong_count(&value)), (2, 1));
    Ok(())
}

/// Panics when it is dropped.
struct Hostile;

impl Drop for Hostile {
    fn drop(&mut self) {
        panic!("a value on purpose");
    }
}

#[anyio::test]
async fn a_value_that_panics_when_it_is_dropped_is_a_panic_of_its_child() {
    static HOSTILE: TaskLocal<Hostile> = TaskLocal::new();
    let others = Cell::new(0);
    let group = task_group(async |tg| -> Result<()> {
        for _ in 0..2 {
            tg.start_soon(async {
                checkpoint().await.ok();
                others.set(others.get() + 1);
            });
        }
        tg.start_soon(HOSTILE.scope(Hostile, checkpoint_ok()));
        Ok(())
    });
    let mut group = Box::pin(group);
    let panicked =
        std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(cx))) {
            Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
            Ok(std::task::Poll::Ready(_)) => std::task::Poll::Ready(None),
            Err(payload) => std::task::Poll::Ready(Some(payload)),
        })
        .await;
    assert_eq!(panicked.expect("a panic").downcast_ref::<&str>(), Some(&"a value on purpose"));
    assert_eq!(others.get(), 2);
}

async fn checkpoint_ok() -> Result<()> {
    Ok(checkpoint().await?)
}

#[anyio::test]
async fn all_values_go_although_several_panic_when_they_are_dropped() {
    static FIRST: TaskLocal<Counted> = TaskLocal::new();
    static SECOND: TaskLocal<Counted> = TaskLocal::new();
    struct Counted(Arc<AtomicU32>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("a value on purpose");
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let counted = || Counted(dropped.clone());
    let both = FIRST.sync_scope(counted(), || SECOND.scope(counted(), async { checkpoint_ok().await }));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(both))).is_err());
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}
