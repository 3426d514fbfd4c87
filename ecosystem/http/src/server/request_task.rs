//! The future of a request's task.
//!
//! It is by hand, as an `async fn` would keep room for what it is given once more, and copy it.

use super::{
    admission::Permits, answer::AnswerBody, answering::bare, catch_panic::catch, connection::Connection,
    production::take_production, requests::Busy, statistics::count, upgrade::Offered,
};
use crate::BoxError;
use anyio::{Error, Result, TaskGroup};
use http::{Response, StatusCode, Version};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What a handler has made of a request. What panics is the inner error. `None` if it has taken too long.
pub(super) type Handled<T> = Option<Result<T, Box<dyn Any + Send>>>;

type Answered<B> = Result<Response<AnswerBody<B>>>;

/// What a request is answered with that has no answer of its handler.
pub(super) enum Otherwise<'a, B> {
    Panicked(Box<dyn Any + Send>),
    Failed(Pin<Box<dyn Future<Output = Answered<B>> + 'a>>),
}

pin_project! {
    /// Has a request handled without a limit, and makes an answer of whatever becomes of that.
    pub(super) struct RequestTask<'a, 'env, F, B> {
        // `None` when it is gone.
        #[pin]
        handler: Option<F>,
        // Over when the handler is gone.
        asked: Asked<'a, 'env>,
        // Given back when the handler is gone.
        permits: Permits<'a>,
        otherwise: Option<Otherwise<'a, B>>,
    }
}

impl<'a, 'env, F, B> RequestTask<'a, 'env, F, B> {
    /// Calls a handler.
    #[inline]
    pub(super) fn new(asked: Asked<'a, 'env>, permits: Permits<'a>, call: impl FnOnce() -> F) -> Self {
        let (handler, otherwise) = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(handler) => (Some(handler), None),
            Err(panic) => (None, Some(Otherwise::Panicked(panic))),
        };
        Self { handler, asked, permits, otherwise }
    }
}

impl<'a, F, B, E> Future for RequestTask<'a, '_, F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: 'a,
    E: Into<BoxError> + 'static,
{
    type Output = Answered<B>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.handler.is_none() {
            return poll_otherwise(this.otherwise, this.asked, cx);
        }
        let mut handled = None;
        if let Some(panic) = catch(this.handler, cx, &mut handled) {
            *this.permits = [None, None];
            *this.otherwise = Some(Otherwise::Panicked(panic));
            return poll_otherwise(this.otherwise, this.asked, cx);
        }
        let Some(handled) = handled else { return Poll::Pending };
        *this.permits = [None, None];
        match handled {
            Ok(answer) => Poll::Ready(Ok(this.asked.answer(answer))),
            Err(error) => {
                *this.otherwise = Some(this.asked.fail(error.into()));
                poll_otherwise(this.otherwise, this.asked, cx)
            }
        }
    }
}

/// Makes an answer where there is none of a handler.
#[cold]
fn poll_otherwise<'a, B>(
    otherwise: &mut Option<Otherwise<'a, B>>,
    asked: &mut Asked<'a, '_>,
    cx: &mut Context<'_>,
) -> Poll<Answered<B>> {
    if let Some(Otherwise::Failed(answer)) = otherwise {
        return answer.as_mut().poll(cx);
    }
    match otherwise.take() {
        Some(Otherwise::Panicked(panic)) => Poll::Ready(Ok(asked.answer_panic(panic))),
        _ => panic!("a task is not polled after its end"),
    }
}

pin_project! {
    /// The same within limits.
    pub(super) struct LimitedTask<'a, 'env, F, B> {
        #[pin]
        pub(super) handled: F,
        // Over when the handler is gone.
        pub(super) asked: Asked<'a, 'env>,
        pub(super) otherwise: Option<Otherwise<'a, B>>,
    }
}

impl<'a, F, B, E> Future for LimitedTask<'a, '_, F, B>
where
    F: Future<Output = Result<Handled<Result<Response<B>, E>>>>,
    B: 'a,
    E: Into<BoxError> + 'static,
{
    type Output = Answered<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.otherwise.is_some() {
            return poll_otherwise(this.otherwise, this.asked, cx);
        }
        let handled = ready!(this.handled.poll(cx))?;
        let asked = &mut *this.asked;
        Poll::Ready(Ok(match handled {
            Some(Ok(Ok(answer))) => asked.answer(answer),
            Some(Ok(Err(error))) => {
                *this.otherwise = Some(asked.fail(error.into()));
                return poll_otherwise(this.otherwise, this.asked, cx);
            }
            Some(Err(panic)) => asked.answer_panic(panic),
            None => asked.answer_late(),
        }))
    }
}

/// What the answer to a request depends on besides the handler.
pub(super) struct Asked<'a, 'env> {
    pub(super) connection: &'a Connection<'a>,
    pub(super) group: &'a TaskGroup<'a, 'env, Error>,
    pub(super) offered: Option<Offered>,
    pub(super) version: Version,
    /// `None` once it is answered.
    pub(super) busy: Option<Busy>,
}

impl<'a> Asked<'a, '_> {
    #[inline]
    fn take_busy(&mut self) -> Busy {
        self.busy.take().expect("a request is answered once")
    }

    /// The answer of a handler, with what is to be done besides.
    #[inline(always)]
    fn answer<B>(&mut self, mut answer: Response<B>) -> Response<AnswerBody<B>> {
        if self.offered.is_some() {
            self.conclude_offer(Some(answer.status()));
        }
        if let Some(task) = take_production(answer.extensions_mut()) {
            self.produce(task);
        }
        let busy = self.take_busy();
        answer.map(|body| AnswerBody::new(Some(body), busy))
    }

    #[cold]
    fn produce(&self, task: impl Future<Output = Result<(), BoxError>> + 'a) {
        let Self { connection, group, version, .. } = *self;
        group.start_soon(connection.run_stream(version, connection.produce(task)));
    }

    /// What a handler's error is answered with.
    #[cold]
    fn fail<B>(&mut self, error: BoxError) -> Otherwise<'a, B>
    where
        B: 'a,
    {
        self.conclude_offer(None);
        Otherwise::Failed(Box::pin(self.connection.answer_error(error, self.take_busy())))
    }

    /// The same of its panic.
    #[cold]
    fn answer_panic<B>(&mut self, panic: Box<dyn Any + Send>) -> Response<AnswerBody<B>> {
        self.conclude_offer(None);
        self.connection.answer_panic(panic, self.version, self.take_busy())
    }

    /// The answer if the handler has taken too long.
    #[cold]
    fn answer_late<B>(&mut self) -> Response<AnswerBody<B>> {
        self.conclude_offer(None);
        count(&self.connection.server().counts.timed_out);
        bare(StatusCode::SERVICE_UNAVAILABLE, self.take_busy())
    }

    /// Has a connection or stream go on as something else, if that was asked for, and agreed to by this status.
    #[cold]
    fn conclude_offer(&mut self, status: Option<StatusCode>) {
        let Self { connection, group, version, .. } = *self;
        if let Some(task) = self.offered.take().and_then(|offered| offered.conclude(status)) {
            group.start_soon(connection.run_stream(version, connection.run_upgraded(task)));
        }
    }
}
