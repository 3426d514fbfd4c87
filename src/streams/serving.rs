//! Serving connections.

use crate::{
    error::{CancelAware, Error, ErrorGroup, Result},
    group::task_group,
    time::sleep,
};
use std::{convert::Infallible, time::Duration};

/// How long to wait when the system has no room for another connection.
const STARVED: Duration = Duration::from_millis(20);

/// What to do about an error of `accept`.
enum Verdict {
    /// Only that connection is gone.
    GoOn,
    /// There is no descriptor or memory for it now.
    Wait,
    /// The listener is of no use any more.
    GiveUp,
}

/// What `accept(2)` says of its errors.
fn judge(error: &Error) -> Verdict {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Verdict::Wait,
        Some(
            libc::ECONNABORTED
            | libc::EPROTO
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EPERM
            | libc::ETIMEDOUT,
        ) => Verdict::GoOn,
        _ => Verdict::GiveUp,
    }
}

/// Accepts for ever, and runs a handler for each connection as the child of a group of its own.
pub(crate) async fn serve<S, E, Via>(
    accept: impl AsyncFn() -> Result<S>,
    handler: impl AsyncFn(S) -> Result<(), E>,
) -> Result<Option<Infallible>, ErrorGroup<E>>
where
    E: CancelAware<Via> + From<Error>,
{
    let handler = &handler;
    // A long lack is told of once.
    let mut is_starved = false;
    task_group(async move |tg| -> Result<Infallible, E> {
        loop {
            match accept().await {
                Ok(stream) => {
                    is_starved = false;
                    tg.start_soon(handler(stream));
                }
                Err(error) => match judge(&error) {
                    Verdict::GoOn => log::debug!("a connection was lost before it was accepted: {error}"),
                    Verdict::Wait => {
                        if !std::mem::replace(&mut is_starved, true) {
                            log::warn!("no connection can be accepted just now: {error}");
                        }
                        sleep(STARVED).await.map_err(Error::from)?;
                    }
                    Verdict::GiveUp => return Err(error.into()),
                },
            }
        }
    })
    .await
}
