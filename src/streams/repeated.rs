//! An operation that is begun again and again, in the same memory.

use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// An operation of an unknown type, which poll-based adapters keep in flight between two polls. Each begins with an `A`
/// and ends with an `O`. Memory is allocated once.
pub(super) struct Repeated<A, O> {
    operation: Pin<Box<dyn Repeat<A, O>>>,
    is_running: bool,
}

trait Repeat<A, O> {
    fn begin(self: Pin<&mut Self>, argument: A);
    /// Polls what runs.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O>;
}

pin_project! {
    struct Operation<M, F> {
        make: M,
        #[pin]
        running: Option<F>,
    }
}

impl<A, F: Future, M: FnMut(A) -> F> Repeat<A, F::Output> for Operation<M, F> {
    fn begin(self: Pin<&mut Self>, argument: A) {
        let mut this = self.project();
        let future = (this.make)(argument);
        this.running.set(Some(future));
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let running = this.running.as_mut().as_pin_mut().expect("polled after it has begun");
        let output = ready!(running.poll(cx));
        this.running.set(None);
        Poll::Ready(output)
    }
}

impl<A, O> Repeated<A, O> {
    /// An operation that is begun by calling `make`.
    pub(super) fn new<F: Future<Output = O> + 'static>(make: impl FnMut(A) -> F + 'static) -> Self {
        Self { operation: Box::pin(Operation { make, running: None }), is_running: false }
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Begins; what runs is dropped.
    pub(super) fn begin(&mut self, argument: A) {
        self.is_running = false;
        self.operation.as_mut().begin(argument);
        self.is_running = true;
    }

    /// What has begun must have been polled to its end before the next begins.
    ///
    /// # Panics
    /// If nothing runs.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<O> {
        // Nothing runs any more if it panics.
        self.is_running = false;
        let polled = self.operation.as_mut().poll(cx);
        self.is_running = polled.is_pending();
        polled
    }
}

impl<A, O> fmt::Debug for Repeated<A, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeated").field("running", &self.is_running()).finish()
    }
}
