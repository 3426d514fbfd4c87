//! What instruments are told, and that nothing they do breaks a run.

use crate::records::{Records, Told};
use anyio::{
    Backend, Builder, CancelScope, ReasonKind, Result, gather, lowlevel,
    lowlevel::{Instrument, ScopeCancelled, ScopeId, TaskEnd, TaskStart},
    sleep_forever,
    sync::Event,
    task_group,
    testing::{TaskId, TaskKind},
};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

fn on_each_backend(test: impl Fn(Builder)) {
    let chosen = std::env::var("ANYIO_TEST_BACKENDS").unwrap_or_else(|_| "uring,poll".to_owned());
    for backend in [Backend::Uring, Backend::Poll] {
        if chosen.contains(if backend == Backend::Uring { "uring" } else { "poll" }) {
            test(Builder::new().backend(backend));
        }
    }
}

/// What one program had its instrument told.
fn told_of(builder: Builder, main: impl AsyncFnOnce()) -> Vec<Told> {
    let records = Records::default();
    let made = records.clone();
    builder.instrument(move || made.clone()).run(main).unwrap();
    records.take()
}

fn ends(told: &[Told]) -> HashMap<String, TaskEnd> {
    let named = told.iter().filter_map(|told| match told {
        Told::Named(task, name) => Some((*task, name.clone())),
        _ => None,
    });
    let names: HashMap<TaskId, String> = named.collect();
    let ended = told.iter().filter_map(|told| match told {
        Told::Ended(task, how) => Some((names.get(task)?.clone(), *how)),
        _ => None,
    });
    ended.collect()
}

#[test]
fn tasks_are_told_of_with_their_parents_and_how_they_end() {
    on_each_backend(|builder| {
        let line = line!() + 5;
        let told = told_of(builder, async || {
            let ended = task_group(async |tg| -> Result<()> {
                tg.start_soon(async {}).set_name("finished");
                let cancelled =
                    tg.start_soon(async { Err::<(), anyio::Error>(sleep_forever().await.into()) });
                cancelled.set_name("cancelled");
                lowlevel::checkpoint().await?;
                cancelled.cancel_because("enough");
                lowlevel::checkpoint().await?;
                tg.start_soon(async { Err::<(), _>(anyio::Error::EndOfStream) }).set_name("failed");
                Ok(())
            });
            assert!(ended.await.is_err());
        });
        let started: Vec<&TaskStart> = told
            .iter()
            .filter_map(|told| match told {
                Told::Started(task) => Some(task),
                _ => None,
            })
            .collect();
        let kinds: Vec<TaskKind> = started.iter().map(|task| task.kind).collect();
        assert_eq!(kinds[..3], [TaskKind::Main, TaskKind::GroupBody, TaskKind::Child]);
        assert_eq!(started.len(), 5);
        assert_eq!((started[0].parent, started[0].started_by), (None, None));
        assert_eq!(started[1].parent, Some(started[0].id));
        assert_eq!((started[2].parent, started[2].started_by), (Some(started[0].id), Some(started[1].id)));
        let location = started[3].location.unwrap();
        assert!(location.file().ends_with("instruments.rs") && location.line() >= line, "{location}");
        let ends = ends(&told);
        assert_eq!(ends["finished"], TaskEnd::Finished);
        assert_eq!(ends["cancelled"], TaskEnd::Cancelled);
        assert_eq!(ends["failed"], TaskEnd::Failed);
        let ended = told.iter().filter(|told| matches!(told, Told::Ended(..))).count();
        assert_eq!(ended, started.len());
        assert!(told.contains(&Told::Ended(started[0].id, TaskEnd::Finished)));
        let cancellations: Vec<&ScopeCancelled> = told
            .iter()
            .filter_map(|told| match told {
                Told::Cancelled(cancelled) => Some(cancelled),
                _ => None,
            })
            .collect();
        assert_eq!(cancellations[0].reason.message(), Some("enough"));
        assert_eq!(cancellations[0].task, Some(started[3].id));
        assert_eq!(cancellations[0].cancelled_by, Some(started[1].id));
        assert_eq!(cancellations[1].reason.kind(), ReasonKind::SiblingFailed);
        // The body of the group has ended, so its scope lies in the main task.
        assert_eq!(cancellations[1].task, Some(started[0].id));
    });
}

#[test]
fn at_each_moment_one_task_at_most_is_polled() {
    on_each_backend(|builder| {
        let told = told_of(builder, async || {
            let work = async || {
                task_group(async |tg| -> Result<()> {
                    for _ in 0..3 {
                        tg.start_soon(async { lowlevel::checkpoint().await.unwrap() });
                    }
                    lowlevel::checkpoint().await?;
                    Ok(())
                })
                .await
            };
            gather([work(), work()]).await.unwrap();
        });
        let (mut polled, mut paused) = (None, Vec::new());
        let mut polls = 0;
        for told in told {
            match told {
                Told::Before(task) => {
                    assert_eq!(polled.replace(task), None);
                    polls += 1;
                }
                Told::Paused(task) => {
                    assert_eq!(polled.take(), Some(task));
                    paused.push(task);
                }
                Told::Resumed(task) => {
                    assert_eq!(paused.pop(), Some(task));
                    assert_eq!(polled.replace(task), None);
                }
                Told::After(task) => assert_eq!(polled.take(), Some(task)),
                Told::TurnEnded | Told::TurnBegun => assert_eq!((polled, paused.len()), (None, 0)),
                _ => {}
            }
        }
        assert_eq!((polled, paused.len()), (None, 0));
        assert!(polls >= 3 * 2 * 2, "{polls} polls");
    });
}

#[test]
fn a_named_scope_is_known_by_its_deadline() {
    on_each_backend(|builder| {
        let told = told_of(builder, async || {
            let scope = CancelScope::new().named("patience").with_timeout(Duration::from_millis(1));
            scope.run(async || -> Result<()> { Err(sleep_forever().await.into()) }).await.unwrap();
        });
        let Some(Told::ScopeBegun(begun, name)) =
            told.iter().find(|told| matches!(told, Told::ScopeBegun(..)))
        else {
            panic!("{told:?}")
        };
        assert_eq!(name, "patience");
        let cancelled = told.iter().find_map(|told| match told {
            Told::Cancelled(cancelled) => Some(cancelled),
            _ => None,
        });
        let cancelled = cancelled.unwrap();
        assert_eq!(cancelled.scope, Some(*begun));
        assert_eq!(cancelled.reason.kind(), ReasonKind::Deadline);
        assert!(cancelled.reason.location().file().ends_with("instruments.rs"));
        assert_eq!(cancelled.cancelled_by, None);
        assert!(told.contains(&Told::ScopeEnded(*begun)));
    });
}

#[test]
fn panicked_and_dropped_tasks_are_told_of() {
    on_each_backend(|builder| {
        let told = told_of(builder, async || {
            let group = task_group(async |tg| -> Result<()> {
                tg.start_soon(async { panic!("on purpose") as () }).set_name("panicked");
                Ok(())
            });
            let mut group = std::pin::pin!(group);
            let panicked =
                std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| group.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(|_| false),
                    Err(_) => std::task::Poll::Ready(true),
                });
            assert!(panicked.await);
            let mut left = Box::pin(task_group(async |tg| -> Result<()> {
                tg.start_soon(async { Err::<(), anyio::Error>(sleep_forever().await.into()) })
                    .set_name("dropped");
                Ok(())
            }));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(left.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            drop(left);
        });
        let ends = ends(&told);
        assert_eq!((ends["panicked"], ends["dropped"]), (TaskEnd::Panicked, TaskEnd::Dropped));
    });
}

/// Panics at the first call of one method.
struct Bomb(&'static str);

impl Bomb {
    fn reached(&self, here: &str) {
        assert_ne!(self.0, here, "an instrument panics on purpose");
    }
}

impl Instrument for Bomb {
    fn task_started(&self, _: &TaskStart) {
        self.reached("started");
    }
    fn before_poll(&self, _: TaskId) {
        self.reached("before");
    }
    fn poll_paused(&self, _: TaskId) {
        self.reached("paused");
    }
    fn after_poll(&self, _: TaskId) {
        self.reached("after");
    }
    fn task_ended(&self, _: TaskId, _: TaskEnd) {
        self.reached("ended");
    }
    fn scope_cancelled(&self, _: &ScopeCancelled) {
        self.reached("cancelled");
    }
    fn before_scope_poll(&self, _: ScopeId) {
        self.reached("scope");
    }
    fn turn_ended(&self) {
        self.reached("turn");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.reached("dropped");
    }
}

/// A program with each kind of step, and what it gives.
async fn all_steps() -> Option<u32> {
    let scope = CancelScope::new().named("all");
    let seven = task_group(async |tg| -> Result<u32> {
        tg.start_soon(async {
            scope.run(async || -> Result<()> { Err(sleep_forever().await.into()) }).await
        })
        .set_name("child");
        let seven = tg.start_soon(async {
            lowlevel::checkpoint().await?;
            scope.cancel();
            anyio::Ok(7)
        });
        Ok(seven.await?)
    });
    seven.await.unwrap()
}

#[test]
fn an_instrument_that_panics_is_left_out_and_the_run_goes_on() {
    on_each_backend(|builder| {
        for place in ["started", "before", "paused", "after", "ended", "cancelled", "scope", "turn"] {
            let records = Records::default();
            let made = records.clone();
            let builder = builder.clone().instrument(move || Bomb(place)).instrument(move || made.clone());
            assert_eq!(builder.run(async || all_steps().await).unwrap(), Some(7), "{place}");
            let told = records.take();
            let started = told.iter().filter(|told| matches!(told, Told::Started(_))).count();
            let ended = told.iter().filter(|told| matches!(told, Told::Ended(..))).count();
            assert_eq!((started, ended), (4, 4), "{place}");
        }
        let dropped = builder.clone().instrument(|| Bomb("dropped"));
        assert!(catch_unwind(AssertUnwindSafe(|| dropped.run(async || ()))).is_err());
        assert_eq!(builder.run(async || all_steps().await).unwrap(), Some(7));
    });
}

/// Runs a group of its own, and cancels scopes, each time that it is called.
struct Meddler(CancelScopes);

type CancelScopes = std::rc::Rc<std::cell::RefCell<Vec<CancelScope>>>;

impl Meddler {
    fn meddle(&self) {
        let mut group = Box::pin(task_group(async |tg| -> Result<()> {
            tg.start_soon(async {});
            lowlevel::checkpoint().await?;
            Ok(())
        }));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = group.as_mut().poll(&mut cx);
        let event = Event::new();
        event.set();
        self.0.borrow_mut().push(CancelScope::new());
        self.0.borrow().last().unwrap().cancel();
        lowlevel::statistics();
    }
}

impl Instrument for Meddler {
    fn task_started(&self, _: &TaskStart) {
        self.meddle();
    }
    fn before_poll(&self, _: TaskId) {
        self.meddle();
    }
    fn poll_paused(&self, _: TaskId) {
        self.meddle();
    }
    fn poll_resumed(&self, _: TaskId) {
        self.meddle();
    }
    fn after_poll(&self, _: TaskId) {
        self.meddle();
    }
    fn task_ended(&self, _: TaskId, _: TaskEnd) {
        self.meddle();
    }
    fn scope_cancelled(&self, _: &ScopeCancelled) {
        self.meddle();
    }
    fn turn_ended(&self) {
        self.meddle();
    }
    fn turn_begun(&self) {
        self.meddle();
    }
}

#[test]
fn instruments_that_start_tasks_and_cancel_scopes_do_not_keep_the_run_busy() {
    on_each_backend(|builder| {
        let meddler = || Meddler(CancelScopes::default());
        let builder = builder.instrument(meddler).instrument(meddler);
        assert_eq!(builder.run(async || all_steps().await).unwrap(), Some(7));
    });
}

#[test]
fn a_scope_that_goes_while_it_is_cancelled_is_told_of_all_the_same() {
    use std::{
        cell::RefCell,
        future::Future,
        pin::Pin,
        task::{Context, Wake},
    };

    type Cut = Pin<Box<dyn Future<Output = Result<Option<()>>>>>;
    thread_local!(static CUT: RefCell<Option<Cut>> = const { RefCell::new(None) });

    /// Drops the future that it is to wake, with the scope in it.
    struct Drops;
    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            drop(CUT.take());
        }
    }

    on_each_backend(|builder| {
        let told = told_of(builder, async || {
            let sleeping = async { Err(sleep_forever().await.into()) };
            let mut cut: Cut = Box::pin(anyio::move_on_after(Duration::from_millis(1), sleeping));
            let waker = Arc::new(Drops).into();
            assert!(cut.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            CUT.set(Some(cut));
            anyio::sleep(Duration::from_millis(5)).await.unwrap();
            assert!(CUT.take().is_none(), "the deadline has dropped it");
        });
        let kinds: Vec<ReasonKind> = told
            .iter()
            .filter_map(|told| match told {
                Told::Cancelled(cancelled) => Some(cancelled.reason.kind()),
                _ => None,
            })
            .collect();
        assert_eq!(kinds, [ReasonKind::Deadline]);
    });
}
