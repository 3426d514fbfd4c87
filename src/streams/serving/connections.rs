//! Where connections are started, and the loop that accepts them.

use super::{connection::Connection, places::Places, server::Server};
use crate::{
    error::{AsError, CancelAware, Chain, Error, Result},
    group::TaskGroup,
    lowlevel::checkpoint,
    time::sleep,
};
use std::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

/// How long to wait when the system has no room for another connection.
const STARVED: Duration = Duration::from_millis(20);

/// After how many failures in a row a listener is left alone for a moment.
const FAILURES_IN_A_ROW: u32 = 64;

/// The future of a connection whose type is not known.
pub(in crate::streams) type BoxedConnection<'scope, E> =
    Pin<Box<dyn Future<Output = Result<(), E>> + 'scope>>;

/// Where the tasks of connections are started while a [`Server`] serves. Listeners that wrap others pass it on, see
/// [`Listener::serve_in`](crate::streams::Listener::serve_in).
pub struct Connections<'scope, 'env, E> {
    places: &'scope Places,
    starting: Starting<'scope, 'env, E>,
}

enum Starting<'scope, 'env, E> {
    InGroup {
        server: &'scope Server<'scope, E>,
        group: &'scope TaskGroup<'scope, 'env, E>,
        as_error: AsError<E>,
    },
    /// In a group of other errors.
    Elsewhere(Rc<dyn Fn(BoxedConnection<'scope, E>) + 'scope>),
}

impl<'scope, 'env, E> Connections<'scope, 'env, E> {
    pub(in crate::streams) fn new<Via>(
        server: &'scope Server<'scope, E>,
        group: &'scope TaskGroup<'scope, 'env, E>,
    ) -> Self
    where
        E: CancelAware<Via>,
    {
        let starting = Starting::InGroup { server, group, as_error: E::as_error };
        Self { places: &server.places, starting }
    }

    /// The same places for connections with other errors, which are started by `start`.
    pub(in crate::streams) fn started_by<E2>(
        &self,
        start: impl Fn(BoxedConnection<'scope, E2>) + 'scope,
    ) -> Connections<'scope, 'scope, E2> {
        Connections { places: self.places, starting: Starting::Elsewhere(Rc::new(start)) }
    }

    /// Starts the task of a connection.
    pub(in crate::streams) fn start<F>(&self, begin: impl FnOnce() -> F)
    where
        F: Future<Output = Result<(), E>> + 'scope,
    {
        match &self.starting {
            Starting::InGroup { server, group, as_error } => {
                let future = if server.catches_panics { server.without_panic(begin) } else { Some(begin()) };
                group.start_soon(Connection::new(server, *as_error, future));
            }
            Starting::Elsewhere(start) => start(Box::pin(begin())),
        }
    }

    /// Accepts for ever, and starts the task of each connection, as long as there is room for it.
    pub(in crate::streams) async fn accept_from<S, F>(
        &self,
        accept: impl AsyncFn() -> Result<S>,
        handler: impl Fn(S) -> F,
    ) -> Result<Infallible>
    where
        F: Future<Output = Result<(), E>> + 'scope,
    {
        let mut failures = Failures::default();
        loop {
            self.places.room().await?;
            match self.accept_if_room(&accept).await {
                None => {}
                Some(Ok(stream)) => {
                    failures = Failures::default();
                    self.start(|| handler(stream));
                }
                Some(Err(error)) => failures.outlast(error).await?,
            }
        }
    }

    /// Accepts a connection; `None` if the last place was taken meanwhile by one of another listener.
    async fn accept_if_room<S>(&self, accept: &impl AsyncFn() -> Result<S>) -> Option<Result<S>> {
        let mut accept = pin!(accept());
        poll_fn(|cx| match self.places.has_room() {
            // The listener keeps what it has accepted.
            false => Poll::Ready(None),
            true => accept.as_mut().poll(cx).map(Some),
        })
        .await
    }
}

impl<E> Clone for Connections<'_, '_, E> {
    fn clone(&self) -> Self {
        let starting = match &self.starting {
            &Starting::InGroup { server, group, as_error } => Starting::InGroup { server, group, as_error },
            Starting::Elsewhere(start) => Starting::Elsewhere(start.clone()),
        };
        Self { places: self.places, starting }
    }
}

impl<E> fmt::Debug for Connections<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("places", &self.places).finish_non_exhaustive()
    }
}

/// What to do about an error of `accept`.
enum Verdict {
    /// Only that connection is gone.
    GoOn,
    /// There is no descriptor or memory for it now.
    Wait,
    /// The listener is of no use any more.
    GiveUp,
}

/// What `accept(2)` says of its errors, and what they are to listeners that prepare their streams.
fn judge(error: &Error) -> Verdict {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => return Verdict::Wait,
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
        ) => return Verdict::GoOn,
        _ => {}
    }
    match error {
        // Said of the listener itself: nothing more will come.
        Error::ClosedResource | Error::EndOfStream => Verdict::GiveUp,
        error if error.concerns_one_connection() => Verdict::GoOn,
        _ => Verdict::GiveUp,
    }
}

/// The failures of a listener since it last gave a connection.
#[derive(Default)]
struct Failures {
    in_a_row: u32,
    was_starved: bool,
}

impl Failures {
    /// Waits until it makes sense to accept again.
    async fn outlast(&mut self, error: Error) -> Result<()> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        match judge(&error) {
            Verdict::GiveUp => return Err(error),
            Verdict::GoOn => {
                log::debug!("a connection was lost before it was accepted: {}", Chain(&error));
                if self.in_a_row < FAILURES_IN_A_ROW {
                    return Ok(checkpoint().await?);
                }
            }
            // A long lack is told of once.
            Verdict::Wait if std::mem::replace(&mut self.was_starved, true) => {}
            Verdict::Wait => log::warn!("no connection can be accepted just now: {}", Chain(&error)),
        }
        Ok(sleep(STARVED).await?)
    }
}
