//! A stream that an operation in flight uses, and that comes back when the operation is dropped.

use super::{AttributeRequest, Attributes};
use std::{cell::RefCell, rc::Rc};

/// A stream of which an operation in flight has a share.
#[derive(Debug)]
pub(super) struct Shared<S>(Rc<RefCell<S>>);

impl<S> Shared<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    pub(super) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// Calls a method of the stream, which nobody else uses at that time.
    #[expect(clippy::await_holding_refcell_ref, reason = "an adapter begins one operation at a time")]
    pub(super) async fn with<O>(self, method: impl AsyncFnOnce(&mut S) -> O) -> O {
        method(&mut *self.0.borrow_mut()).await
    }

    /// Calls a method of the stream that waits for nothing, unless an operation is using it.
    pub(super) fn with_now<O>(&self, method: impl FnOnce(&mut S) -> O) -> Option<O> {
        self.0.try_borrow_mut().ok().map(|mut stream| method(&mut stream))
    }

    /// The stream. All other shares have been dropped.
    pub(super) fn into_inner(self) -> S {
        Rc::into_inner(self.0).expect("no operation is left").into_inner()
    }
}

/// While an operation uses the stream it cannot be asked, and nothing is known.
impl<S: Attributes> Attributes for Shared<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Ok(stream) = self.0.try_borrow() {
            stream.provide(request);
        }
    }
}
