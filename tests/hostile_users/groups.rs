//! Groups whose panics and destructors meet other panics.

use anyio::{Backend, Builder, Result, TaskGroup, sleep_forever, task_group, testing::test_backends};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

fn poll<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn in_a_run<R>(backend: Backend, body: impl FnOnce() -> R) -> R {
    Builder::new().backend(backend).run(async || body()).unwrap()
}

fn throw(text: &'static str) {
    std::panic::panic_any(text);
}

struct StartsChild<'scope, 'env>(&'scope TaskGroup<'scope, 'env, anyio::Error>);

impl Drop for StartsChild<'_, '_> {
    fn drop(&mut self) {
        drop(self.0.start_soon(async { anyio::Ok(()) }));
    }
}

async fn group_whose_body_starts_a_child_as_it_is_dropped() {
    let _ = task_group(async |tg| -> Result<()> {
        let _starts = StartsChild(tg);
        Err(sleep_forever().await.into())
    })
    .await;
}

#[test]
fn a_body_that_starts_a_child_as_it_is_dropped_after_its_run_does_not_panic() {
    let _lock = crate::peers::lock();
    for backend in test_backends() {
        let mut group = Box::pin(group_whose_body_starts_a_child_as_it_is_dropped());
        in_a_run(backend, || assert!(poll(&mut group).is_pending()));
        drop(group);
    }
}

#[test]
fn a_body_that_starts_a_child_as_its_group_panics_in_another_run_does_not_end_the_process() {
    let _lock = crate::peers::lock();
    for backend in test_backends() {
        let mut group = Box::pin(group_whose_body_starts_a_child_as_it_is_dropped());
        in_a_run(backend, || assert!(poll(&mut group).is_pending()));
        let polled = in_a_run(backend, || catch_unwind(AssertUnwindSafe(|| poll(&mut group).is_pending())));
        let text = *polled.unwrap_err().downcast::<&str>().unwrap();
        assert!(text.contains("in another run"), "{text}");
    }
}

#[test]
fn a_panic_of_a_child_goes_on_also_where_the_group_is_polled_while_another_panic_unwinds() {
    struct Polls<'a>(&'a mut Option<String>);
    impl Drop for Polls<'_> {
        fn drop(&mut self) {
            let mut group = Box::pin(task_group(async |tg| -> Result<()> {
                drop(tg.start_soon(async { throw("of the child") }));
                Ok(())
            }));
            while let Ok(polled) =
                catch_unwind(AssertUnwindSafe(|| poll(&mut group).is_pending())).map_err(|payload| {
                    *self.0 = payload.downcast_ref::<&str>().map(ToString::to_string);
                })
            {
                assert!(polled, "a group whose child has panicked panics");
            }
        }
    }
    let _lock = crate::peers::lock();
    for backend in test_backends() {
        let mut seen = None;
        let outer = in_a_run(backend, || {
            catch_unwind(AssertUnwindSafe(|| {
                let _polls = Polls(&mut seen);
                throw("outer");
            }))
        });
        assert_eq!(outer.unwrap_err().downcast_ref::<&str>(), Some(&"outer"));
        assert_eq!(seen.as_deref(), Some("of the child"));
    }
}
