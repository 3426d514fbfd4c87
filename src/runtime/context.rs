//! Values that tasks inherit.
//!
//! Which values are current belongs to the thread, and follows the tasks: whoever polls what has values of its own
//! [enters](Within::enter) them for that long and finds those of around it again afterwards. A child takes those that are
//! current when it is started, not those of who polls its group. Where nothing is bound there is nothing to keep.

use super::EachDropped;
use pin_project_lite::pin_project;
use std::{
    any::Any,
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

thread_local! {
    static CURRENT: Cell<Option<Bindings>> = const { Cell::new(None) };
}

type Value = Arc<dyn Any + Send + Sync>;

/// The values of variables, each once; they never change, so children share them.
#[derive(Clone)]
pub(crate) struct Bindings(Arc<EachDropped<Vec<(u64, Value)>>>);

impl Bindings {
    /// Those that are current here.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(copy_of).ok().flatten()
    }

    /// Those that are current here, with another value for one variable.
    pub(crate) fn current_with(variable: u64, value: Value) -> Self {
        let current = Self::current();
        let others = current.iter().flat_map(|bindings| bindings.0.iter());
        let mut bindings: Vec<_> = others.filter(|(other, _)| *other != variable).cloned().collect();
        bindings.push((variable, value));
        Self(Arc::new(EachDropped::new(bindings)))
    }

    /// The current value of a variable.
    pub(crate) fn value_of(variable: u64) -> Option<Value> {
        let current = Self::current()?;
        current.0.iter().find(|(bound, _)| *bound == variable).map(|(_, value)| Arc::clone(value))
    }
}

#[inline]
fn copy_of(place: &Cell<Option<Bindings>>) -> Option<Bindings> {
    let bindings = place.take();
    let copy = bindings.clone();
    place.set(bindings);
    copy
}

/// As long as this lives, the bindings that lay in a place are current; those of around lie there meanwhile.
pub(crate) struct Within<'a>(&'a Cell<Option<Bindings>>);

impl<'a> Within<'a> {
    /// `None` if neither has any, so that there is nothing to do afterwards.
    #[inline]
    pub(crate) fn enter(place: &'a Cell<Option<Bindings>>) -> Option<Self> {
        let exchange = |current: &Cell<Option<Bindings>>| {
            let (own, outer) = (place.take(), current.take());
            if own.is_none() && outer.is_none() {
                return None;
            }
            current.set(own);
            place.set(outer);
            Some(Self(place))
        };
        // Where the thread is ending, nothing is current any more.
        CURRENT.try_with(exchange).ok().flatten()
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        // A thread that is ending has dropped them.
        let _ = CURRENT.try_with(|current| current.swap(self.0));
    }
}

pin_project! {
    /// A future that has bindings of its own. It is dropped with them, too.
    pub(crate) struct InContext<F> {
        #[pin]
        body: Option<F>,
        bindings: Cell<Option<Bindings>>,
    }

    impl<F> PinnedDrop for InContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _within = Within::enter(this.bindings);
            this.body.set(None);
        }
    }
}

impl<F> InContext<F> {
    pub(crate) fn new(bindings: Option<Bindings>, body: F) -> Self {
        Self { body: Some(body), bindings: Cell::new(bindings) }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _within = Within::enter(this.bindings);
        let body = this.body.as_mut().as_pin_mut().expect("a future is not polled after its end");
        let polled = body.poll(cx);
        if polled.is_ready() {
            this.body.set(None);
        }
        polled
    }
}
