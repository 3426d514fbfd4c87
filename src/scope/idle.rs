//! Waits for something new.

use super::in_scope::{InScope, Nature, conclude};
use crate::{
    error::{CancelAware, Cancelled, Error, Result},
    runtime::Core,
    time::sleep_forever,
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    struct Idle<F, Via> {
        #[pin]
        inner: InScope<F>,
        via: PhantomData<Via>,
    }
}

impl<T, E, F, Via> Future for Idle<F, Via>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via> + Into<Error>,
{
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Core::with(|core| {
            self.project().inner.poll_body(core, cx).map(|(result, scope)| {
                match conclude(core, &scope, result) {
                    Ok(Some(value)) => Ok(value),
                    Ok(None) => Err(Error::Finishing),
                    Err(error) => Err(error.into()),
                }
            })
        })
    }
}

/// Declares a wait idle: it is one for something new, with nothing half-done. When a scope around it is told to
/// [finish](crate::Scope::finish) it ends, and what is not declared so goes on.
///
/// For a connection that is the time between two requests, for a consumer the wait for the next message, for a task that
/// does something from time to time its sleep.
///
/// ```
/// use anyio::{Result, idle, net::TcpStream};
///
/// /// Sends lines back.
/// async fn echo(stream: TcpStream) -> Result<()> {
///     // What has been received is sent, also when the server finishes meanwhile.
///     while let Some(chunk) = idle(stream.receive()).await? {
///         stream.send(chunk).await?;
///     }
///     stream.close().await
/// }
/// # let _ = echo;
/// ```
///
/// # Errors
/// [`Error::Finishing`] if the scope is finishing, also if it was before: then the future gets no further than its first
/// checkpoint. And those of the future, cancellations by scopes further out among them.
///
/// # Cancel safety
/// The future is cancelled and awaited, not dropped, as by [`move_on_after`](crate::move_on_after). A value that it gives
/// nevertheless comes out.
pub fn idle<T, E, Via>(future: impl Future<Output = Result<T, E>>) -> impl Future<Output = Result<T>>
where
    E: CancelAware<Via> + Into<Error>,
{
    Idle { inner: InScope::new(Nature::Idle, future), via: PhantomData }
}

/// Waits until the scope is told to [finish](crate::Scope::finish), for what has more to do then than to end: telling its
/// peers, saving its state. At once if that has been.
///
/// ```
/// use anyio::{Result, finishing, task_group};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         finishing().await?;
///         // Here others are told.
///         anyio::Ok(())
///     });
///     tg.finish(Duration::from_secs(10));
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Cancelled`] if the scope is cancelled before.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn finishing() -> Result<(), Cancelled> {
    let until_then = async { Err::<(), Error>(sleep_forever().await.into()) };
    match idle(until_then).await {
        Err(Error::Finishing) => Ok(()),
        _ => Err(Cancelled::new()),
    }
}
