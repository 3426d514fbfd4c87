//! What belongs to a call, beside its messages.

use anyio::CancelScope;
use anyio_http::LocalExecutor;
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::Waker,
};
use tonic::Status;

/// What sends messages, until it has ended.
pub(crate) type Task = Pin<Box<dyn Future<Output = Result<(), Status>>>>;

thread_local!(static CURRENT: RefCell<Option<Rc<Call>>> = const { RefCell::new(None) });

/// A call, as its streams of messages see it: they are polled deep within what tonic makes of them, and what has begun there
/// is to come to its end all the same.
#[derive(Default)]
pub(crate) struct Call {
    /// Where tasks are started, on the side of a client. Those of a server are polled by the stream itself.
    executor: Option<LocalExecutor>,
    /// Whether nothing is to begin, as it would not go on in the same task.
    is_probed: Cell<bool>,
    /// What had begun when its stream was dropped.
    left: RefCell<Vec<Task>>,
    /// Those of the tasks that send the messages of a client.
    scopes: RefCell<Vec<CancelScope>>,
    /// Why the messages of a client have ended early.
    failure: RefCell<Option<Status>>,
    /// Who polls them, as long as they have not.
    sending: Cell<Option<Waker>>,
}

impl Call {
    pub(crate) fn of_client(executor: LocalExecutor) -> Rc<Self> {
        Rc::new(Self { executor: Some(executor), ..Self::default() })
    }

    /// The call in which something is being polled.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Does something in this call.
    pub(crate) fn enter<T>(self: &Rc<Self>, body: impl FnOnce() -> T) -> T {
        /// Puts back what was there before, also after a panic.
        struct Leave(Option<Rc<Call>>);

        impl Drop for Leave {
            fn drop(&mut self) {
                let outer = self.0.take();
                let ours = CURRENT.replace(outer);
                drop(ours);
            }
        }

        let _leave = Leave(CURRENT.replace(Some(self.clone())));
        body()
    }

    /// The same, without anything that begins.
    pub(crate) fn probe<T>(self: &Rc<Self>, body: impl FnOnce() -> T) -> T {
        self.is_probed.set(true);
        let value = self.enter(body);
        self.is_probed.set(false);
        value
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.is_probed.get()
    }

    pub(crate) fn executor(&self) -> Option<&LocalExecutor> {
        self.executor.as_ref()
    }

    /// Leaves what has begun for [`take_left`](Self::take_left).
    pub(crate) fn leave(&self, task: Task) {
        self.left.borrow_mut().push(task);
    }

    pub(crate) fn take_left(&self) -> Vec<Task> {
        self.left.take()
    }

    /// Has what runs in this scope cancelled when the messages of the client have ended early.
    pub(crate) fn register(&self, scope: &CancelScope) {
        self.scopes.borrow_mut().push(scope.clone());
    }

    /// Ends the messages of a client, for this reason, unless there was another one before.
    pub(crate) fn fail(&self, status: Status) {
        self.failure.borrow_mut().get_or_insert(status);
        if let Some(waker) = self.sending.take() {
            waker.wake();
        }
        // Whoever polls the messages may not do so as long as the server reads none.
        for scope in self.scopes.take() {
            scope.cancel();
        }
    }

    /// Has whoever polls the messages woken when these have ended.
    pub(crate) fn set_sending(&self, waker: &Waker) {
        let before = self.sending.replace(Some(waker.clone()));
        drop(before);
    }

    pub(crate) fn failure(&self) -> Option<Status> {
        self.failure.borrow().clone()
    }
}

/// The part of a client that awaits the answer, or reads it. When it ends, the call is over, also if there were more messages
/// to send.
pub(crate) struct Asking(pub(crate) Rc<Call>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.fail(Status::cancelled("the call is over"));
    }
}
