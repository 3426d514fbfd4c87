//! A panic of users' code as a value.

use super::error::ConnectionError;
use pin_project_lite::pin_project;
use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// Polls a future to its end; a panic of that, or of dropping the future at its end, is the error.
    pub(super) struct CatchPanic<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F: Future> CatchPanic<F> {
    #[inline]
    pub(super) fn new(future: F) -> Self {
        Self { future: Some(future) }
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut output = None;
        match catch(self.project().future, cx, &mut output) {
            Some(panic) => Poll::Ready(Err(panic)),
            None => output.map_or(Poll::Pending, |output| Poll::Ready(Ok(output))),
        }
    }
}

/// Polls a future. If that ends it, it is dropped, and its output is there. Gives the panic of either.
///
/// # Panics
/// If the future is gone.
#[inline]
pub(super) fn catch<F: Future>(
    mut future: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
    output: &mut Option<F::Output>,
) -> Option<Box<dyn Any + Send>> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let running = future.as_mut().as_pin_mut().expect("not polled after its end");
        if let Poll::Ready(ended) = running.poll(cx) {
            *output = Some(ended);
            future.set(None);
        }
    }));
    let panic = polled.err()?;
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| future.set(None))) {
        // Not within the macro, which evaluates nothing if nobody logs.
        let error = ConnectionError::of_panic(another);
        log::error!("{error}");
    }
    Some(panic)
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
        let mut caught = pin!(CatchPanic::new(Panics));
        let polled = caught.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Err(panic)) = polled else { panic!("it has ended, with a panic") };
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"first"));
    }
}
