//! One run of the body.

use super::{
    case::{Moment, Step},
    watcher::Watcher,
};
use crate::{
    runtime::{
        Core, PanicPayload,
        inbox::Message,
        observation::{Observer, Observing},
    },
    scope::CancelScope,
    time::{Sleep, sleep},
};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

/// What came out of a run of the body.
pub(super) enum Ended<T, E> {
    /// The body's result; `None` if its scope absorbed its cancellation.
    Gave(Result<Option<T>, E>),
    Dropped,
    Panicked(PanicPayload),
    /// It did not end within the limit, and was dropped.
    Hung,
}

/// So long no test sleeps: on a virtual clock it is over when nothing else happens.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long a body may go on in which a child was cancelled alone. Others may wait for the child in vain, and then everything is
/// cancelled.
const GRACE: Duration = Duration::from_millis(5);

/// Ends when what may take so long in real time has taken too long.
pub(super) fn limit_of(limit: Duration) -> Sleep {
    let is_virtual = Core::with(|core| core.clock().is_virtual());
    sleep(if is_virtual { 2 * YEAR } else { limit })
}

/// When a future is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropping {
    Never,
    /// When it waits for the time of this number.
    At(usize, Moment),
    /// At the next poll, in its place.
    Next,
}

/// A body in its scope, which is observed.
pub(super) struct Course<F> {
    /// What runs it there.
    run: Option<Pin<Box<F>>>,
    scope: CancelScope,
    watcher: Rc<Watcher>,
    is_virtual: bool,
    limit: Pin<Box<Sleep>>,
    grace: Option<Pin<Box<Sleep>>>,
    observing: Option<Observing>,
    dropping: Dropping,
    /// How often the body was left waiting.
    waited: usize,
}

impl<F> Course<F> {
    /// `run` runs the body in `scope`.
    pub(super) fn new(run: F, scope: &CancelScope, watcher: Rc<Watcher>, limit: Duration) -> Self {
        let is_virtual = Core::with(|core| core.clock().is_virtual());
        let observer: Rc<dyn Observer> = watcher.clone();
        Self {
            run: Some(Box::pin(run)),
            scope: scope.clone(),
            watcher,
            is_virtual,
            limit: Box::pin(limit_of(limit)),
            grace: None,
            observing: Some(Observing::begin(observer, &raw const **scope)),
            dropping: Dropping::Never,
            waited: 0,
        }
    }

    /// Has the body dropped at this step.
    pub(super) fn drop_at(&mut self, step: Step) {
        self.dropping = Dropping::At(step.point, step.moment);
    }

    /// How often the body was left waiting.
    pub(super) fn waited(&self) -> usize {
        self.waited
    }

    fn end(&mut self) {
        self.run = None;
        self.observing = None;
    }

    /// Whether the body, which waits, is to be dropped now. If it is to be later, sees to it that it is.
    fn is_to_be_dropped(&mut self, core: &Core, cx: &Context<'_>) -> bool {
        self.waited += 1;
        let Dropping::At(number, moment) = self.dropping else { return false };
        if number != self.waited {
            return false;
        }
        self.dropping = Dropping::Next;
        if moment == Moment::InFlight {
            // When the driver has been turned.
            let waker = cx.waker().clone();
            core.lease().inbox().push(Message::Run(Box::new(move |_| waker.wake())));
        }
        moment == Moment::Before
    }

    /// Cancels everything when a child was cancelled alone and the rest has not ended for a while.
    fn end_grace(&mut self, cx: &mut Context<'_>) {
        if !self.watcher.has_cancelled_child() || self.scope.cancel_called() {
            return;
        }
        let span = if self.is_virtual { YEAR } else { GRACE };
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(span)));
        if grace.as_mut().poll(cx).is_ready() {
            self.scope.cancel_because("a child was cancelled, and the rest waited");
        }
    }

    fn poll_body<T, E>(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Ended<T, E>>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        if self.dropping == Dropping::Next {
            return Poll::Ready(Ended::Dropped);
        }
        let run = self.run.as_mut().expect("not polled after its end");
        match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => Poll::Ready(Ended::Gave(result)),
            Ok(Poll::Pending) if self.is_to_be_dropped(core, cx) => Poll::Ready(Ended::Dropped),
            Ok(Poll::Pending) => {
                self.end_grace(cx);
                self.limit.as_mut().poll(cx).map(|_| Ended::Hung)
            }
            Err(payload) => Poll::Ready(Ended::Panicked(payload)),
        }
    }
}

impl<F, T, E> Future for Course<F>
where
    F: Future<Output = Result<Option<T>, E>>,
{
    type Output = Ended<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<T, E>> {
        let this = &mut *self;
        let polled = Core::with(|core| this.poll_body(core, cx));
        polled.map(|ended| match catch_unwind(AssertUnwindSafe(|| this.end())) {
            Ok(()) => ended,
            Err(payload) => Ended::Panicked(payload),
        })
    }
}
