//! Calling something on another core.

use super::{
    core::Core,
    exchange::{Asked, End, Exchange, Value},
    extent::Listed,
};
use crate::{
    error::{Cancelled, Error, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::WaitReason,
    scope::{current_cancel_reason, finishing, foreign_for, shield},
    to_thread::request::inheriting,
};
use std::{
    future::{Future, pending, poll_fn},
    panic::resume_unwind,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
};

impl Core {
    /// Calls an async function on this core, in a task of its own there, and waits for what it gives. Its future is made and
    /// stays there, so it need not be `Send`. On the own core it is done in the same way. Values of a
    /// [`TaskLocal`](crate::TaskLocal) are inherited.
    ///
    /// Cancelling the scope here cancels the function there, and it is told when this scope is
    /// [finishing](crate::Scope::finish). A core does what it is asked for until the programs of all cores have returned, and ends when
    /// that is done.
    ///
    /// ```
    /// use anyio::{Core, Result, run_on_cores};
    ///
    /// let next = run_on_cores(2, async |core: &Core| -> Result<Option<usize>> {
    ///     let Some(next) = core.all().nth(core.index() + 1) else { return Ok(None) };
    ///     next.run(async || Core::current().map(|core| core.index())).await
    /// })?;
    /// assert_eq!(next, Some(vec![Some(1), None]));
    /// # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`Error::RunFinished`] if the core has ended, or its run breaks off before the function ends. [`Error::Cancelled`] if the scope is cancelled before the function has begun.
    ///
    /// # Cancel safety
    /// A function that has not begun never will. One that has is cancelled and awaited, and what it gives comes out. When the
    /// future is dropped, it is cancelled and nobody waits for it. What a body on a core has called, its program or something that it
    /// was asked for, is given up when the body ends; who polls such a call elsewhere afterwards is told [`Error::RunFinished`].
    ///
    /// # Panics
    /// If the function does, with its panic. If it does when nobody waits for it any more, its core ends with the panic; one that
    /// has come before the future was dropped is logged.
    pub async fn run<T: Send + 'static>(&self, body: impl AsyncFnOnce() -> T + Send + 'static) -> Result<T> {
        Ok(self.call(body).await?.value)
    }

    /// The same, and tells how the scope stood there.
    pub(super) async fn call<T, B>(&self, body: B) -> Result<Value<T>>
    where
        T: Send + 'static,
        B: AsyncFnOnce() -> T + Send + 'static,
    {
        checkpoint_if_cancelled().await?;
        let exchange = Exchange::new(body);
        let asked = Asked::new(&exchange);
        let request = inheriting(Box::new(move || Box::pin(asked.run())));
        let call = Call { _listed: Listed::new(Rc::new(exchange.clone())), exchange };
        if let Err(refused) = self.member().mailbox.post(request) {
            drop(refused);
            return Err(Error::RunFinished);
        }
        let end = match call.end_or_cancellation().await {
            Ok(end) => end,
            Err(cancelled) => call.cancel(cancelled).await?,
        };
        match end {
            End::Value(value) => Ok(value),
            End::Panic(payload) => resume_unwind(payload),
            End::Lost => Err(Error::RunFinished),
        }
    }
}

/// The side of who has asked.
struct Call<B, T> {
    exchange: Arc<Exchange<B, T>>,
    _listed: Listed,
}

impl<B, T> Call<B, T> {
    fn end(&self) -> impl Future<Output = End<T>> {
        poll_fn(|cx| self.exchange.poll_end(cx))
    }

    /// Waits for the end. The body is told if the scope is finishing meanwhile.
    async fn end_or_cancellation(&self) -> Result<End<T>, Cancelled> {
        let mut telling = pin!(async {
            if finishing().await.is_ok() {
                self.exchange.finish();
            }
            pending::<()>().await;
        });
        let mut end = pin!(self.end());
        let either = poll_fn(|cx| match end.as_mut().poll(cx) {
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => telling.as_mut().poll(cx).map(|()| unreachable!("it goes on for ever")),
        });
        foreign_for(WaitReason::OtherThread, either).await
    }

    /// Gives the body up, and waits for its end if it has begun.
    async fn cancel(&self, cancelled: Cancelled) -> Result<End<T>> {
        let Some(reason) = current_cancel_reason() else { return Err(cancelled.into()) };
        if self.exchange.cancel(reason.kind(), reason.message().map(str::to_owned)) {
            return Err(cancelled.into());
        }
        Ok(shield(foreign_for(WaitReason::OtherThread, self.end())).await?)
    }
}
