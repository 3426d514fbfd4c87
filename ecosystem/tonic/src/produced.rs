//! A stream of the messages that a function sends.

use crate::{
    call::{Call, Task},
    status::of_error,
};
use anyio::{
    CancelAware, CancelScope,
    streams::memory::{self, Items, SendStream},
};
use futures_core::Stream;
use hyper::rt::Executor;
use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};
use tonic::Status;

/// Where the function of [`produce`](crate::produce) or [`produce_requests`](crate::produce_requests) sends its messages.
#[derive(Debug)]
pub struct MessageSender<T>(SendStream<T>);

impl<M> MessageSender<Result<M, Status>> {
    /// Sends a message to the client, once it has taken those before it.
    ///
    /// # Errors
    /// That the call was cancelled, as a status whose source is a [cancellation](anyio::Cancelled).
    ///
    /// # Cancel safety
    /// The message is not sent.
    pub async fn send(&self, message: M) -> Result<(), Status> {
        self.0.send(Ok(message)).await.map_err(of_error)
    }
}

impl<M> MessageSender<M> {
    /// Sends a message to the server, once it has taken those before it.
    ///
    /// # Errors
    /// That the call was cancelled or has ended, as a status.
    ///
    /// # Cancel safety
    /// The message is not sent.
    pub async fn send_request(&self, message: M) -> Result<(), Status> {
        self.0.send(message).await.map_err(of_error)
    }
}

/// What a function sends, as a stream.
pub(crate) struct Produced<T> {
    items: Items<T>,
    state: State,
    /// What comes after the last of the items.
    failure: Option<Status>,
    /// What an error is among the items, if it can be one.
    error: fn(Status) -> Option<T>,
}

enum State {
    /// Not polled yet.
    New(Task),
    /// Polled by the stream.
    Within {
        task: Task,
        call: Option<Rc<Call>>,
    },
    /// A task by itself.
    Beside(CancelScope),
    Ended,
}

impl<T: 'static> Produced<T> {
    pub(crate) fn new(
        producer: impl AsyncFnOnce(MessageSender<T>) -> Result<(), Status> + 'static,
        error: fn(Status) -> Option<T>,
    ) -> Self {
        let (sender, items) = memory::channel(0);
        let task = Box::pin(async move {
            // Kept: the messages end with the function, also if it lets go of its sender before.
            let ended = producer(MessageSender(sender.clone())).await;
            drop(sender);
            ended
        });
        Self { items: items.into_stream(), state: State::New(task), failure: None, error }
    }
}

impl<T> Produced<T> {
    fn begin(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Ended) {
            State::New(task) => match Call::current() {
                Some(call) if call.executor().is_some() => State::Beside(start(task, call)),
                call => State::Within { task, call },
            },
            begun => begun,
        };
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.begin();
        loop {
            match Pin::new(&mut self.items).poll_next(cx) {
                Poll::Ready(Some(Ok(item))) => return Poll::Ready(Some(item)),
                Poll::Ready(Some(Err(cancelled))) => {
                    let status = of_error(cancelled);
                    let item = (self.error)(status.clone());
                    if let (None, Some(call)) = (&item, Call::current()) {
                        call.fail(status);
                    }
                    return Poll::Ready(item);
                }
                Poll::Ready(None) => return Poll::Ready(self.failure.take().and_then(self.error)),
                Poll::Pending => {}
            }
            let State::Within { task, .. } = &mut self.state else { return Poll::Pending };
            match task.as_mut().poll(cx) {
                Poll::Ready(ended) => {
                    // Its sender has gone with it, so the items have an end. The last of them may still lie there.
                    self.state = State::Ended;
                    self.failure = ended.err();
                }
                Poll::Pending => {
                    // It may have sent one meanwhile.
                    if let Poll::Ready(Some(Ok(item))) = Pin::new(&mut self.items).poll_next(cx) {
                        return Poll::Ready(Some(item));
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Starts what sends messages beside the call, and gives the scope that it runs in.
fn start(task: Task, call: Rc<Call>) -> CancelScope {
    let scope = CancelScope::new();
    let within = scope.clone();
    call.register(&scope);
    let executor = call.executor().expect("looked for before").clone();
    executor.execute(async move {
        match within.run(async || task.await).await {
            Ok(_) => {}
            Err(status) if status.is_cancelled() => call.fail(Status::cancelled("the channel has ended")),
            Err(status) => call.fail(status),
        }
    });
    scope
}

impl<T> Drop for Produced<T> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Within { task, call: Some(call) } => call.leave(task),
            State::Beside(scope) => scope.cancel(),
            State::New(_) | State::Within { call: None, .. } | State::Ended => {}
        }
    }
}
