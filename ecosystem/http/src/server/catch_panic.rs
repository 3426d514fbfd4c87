//! A panic of users' code as a value.

use super::error::ConnectionError;
use pin_project_lite::pin_project;
use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// Makes a future and polls it to its end; a panic of either, or of dropping the future at its end, is the error.
    ///
    /// What makes the future and the future itself take the same room, which an `async fn` would have twice.
    pub(super) struct CatchPanic<M, F> {
        #[pin]
        step: Step<M, F>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<M, F> {
        Begin { make: Option<M> },
        Running { #[pin] future: F },
        Over,
    }
}

impl<M: FnOnce() -> F, F: Future> CatchPanic<M, F> {
    pub(super) fn new(make: M) -> Self {
        Self { step: Step::Begin { make: Some(make) } }
    }
}

impl<M: FnOnce() -> F, F: Future> Future for CatchPanic<M, F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let StepProjection::Begin { make } = step.as_mut().project() {
                let make = make.take().expect("made once");
                step.set(Step::Running { future: make() });
            }
            let StepProjection::Running { future } = step.as_mut().project() else {
                unreachable!("polled after its end");
            };
            let output = ready!(future.poll(cx));
            step.set(Step::Over);
            Poll::Ready(output)
        }));
        let panic = match polled {
            Ok(polled) => return polled.map(Ok),
            Err(panic) => panic,
        };
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| step.set(Step::Over))) {
            // Not within the macro, which evaluates nothing if nobody logs.
            let error = ConnectionError::of_panic(another);
            log::error!("{error}");
        }
        Poll::Ready(Err(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{panic::resume_unwind, pin::pin, task::Waker, thread};

    /// What a panic brings, and what panics once more when that is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                resume_unwind(Box::new("third"));
            }
        }
    }

    /// A future that panics when it is polled and when it is dropped.
    struct Panics;

    impl Future for Panics {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            resume_unwind(Box::new("first"));
        }
    }

    impl Drop for Panics {
        fn drop(&mut self) {
            if !thread::panicking() {
                resume_unwind(Box::new(Bomb));
            }
        }
    }

    #[test]
    fn a_future_that_panics_again_and_again_gives_its_first_panic() {
        let mut caught = pin!(CatchPanic::new(|| Panics));
        let polled = caught.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(panic)) = polled else { panic!("it has ended, with a panic") };
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"first"));
    }
}
