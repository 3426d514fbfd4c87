//! What hyper sends as the body of an answer.

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// How many requests of a connection are being handled or answered.
#[derive(Debug)]
pub(super) struct Requests {
    here: Cell<usize>,
    /// Since the connection began, with those that have ended.
    total: Cell<u64>,
    /// Of all connections of the server.
    everywhere: Rc<Cell<usize>>,
}

impl Requests {
    pub(super) fn new(everywhere: Rc<Cell<usize>>) -> Rc<Self> {
        Rc::new(Self { here: Cell::new(0), total: Cell::new(0), everywhere })
    }

    pub(super) fn begin(self: &Rc<Self>) -> Busy {
        self.here.set(self.here.get() + 1);
        self.total.set(self.total.get() + 1);
        self.everywhere.set(self.everywhere.get() + 1);
        Busy(self.clone())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.here.get() == 0
    }

    pub(super) fn total(&self) -> u64 {
        self.total.get()
    }
}

/// A request that is being handled or answered, as long as this lives.
#[derive(Debug)]
pub(super) struct Busy(Rc<Requests>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.here.set(self.0.here.get() - 1);
        self.0.everywhere.set(self.0.everywhere.get() - 1);
    }
}

pin_project! {
    /// The body of an answer: that of the handler, or none.
    #[derive(Debug)]
    pub(super) struct AnswerBody<B> {
        #[pin]
        body: Option<B>,
        busy: Busy,
    }
}

impl<B> AnswerBody<B> {
    pub(super) fn new(body: Option<B>, busy: Busy) -> Self {
        Self { body, busy }
    }
}

impl<B: Body> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().body.as_pin_mut() {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
