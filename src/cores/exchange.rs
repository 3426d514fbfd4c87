//! What two cores share while one does something for the other.

use super::extent::{Abandon, Extent};
use crate::{
    error::Stopping,
    lowlevel,
    runtime::{PanicPayload, ReasonKind, RemoteScope, text_of},
    to_thread::request::catch_panic,
};
use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A body that is to be called on another core, and what has become of it.
pub(super) struct Exchange<B, T> {
    contents: Mutex<Contents<B, T>>,
}

struct Contents<B, T> {
    phase: Phase<B, T>,
    /// Who waits for the end.
    waker: Option<Waker>,
    /// Whether the scope of who asks is finishing.
    finishing: bool,
}

enum Phase<B, T> {
    Asked(B),
    /// In this scope.
    Begun(RemoteScope),
    Ended(End<T>),
    /// Given up, or the end was told.
    Over,
}

/// How a body has ended.
pub(super) enum End<T> {
    Value(Value<T>),
    Panic(PanicPayload),
    /// The other core ended first, or the call was given up with the body that made it.
    Lost,
}

/// What a body gives.
pub(super) struct Value<T> {
    pub(super) value: T,
    /// Which stages of its end the body's scope had come to.
    pub(super) stopped: [Option<Stopping>; 2],
}

impl<B, T> Exchange<B, T> {
    pub(super) fn new(body: B) -> Arc<Self> {
        let contents = Contents { phase: Phase::Asked(body), waker: None, finishing: false };
        Arc::new(Self { contents: Mutex::new(contents) })
    }

    fn contents(&self) -> MutexGuard<'_, Contents<B, T>> {
        // Only moves happen under the lock: bodies and values are code of users.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the body has ended, for who waits for it.
    pub(super) fn poll_end(&self, cx: &Context<'_>) -> Poll<End<T>> {
        // Cloned before the lock is taken, and the one before is dropped afterwards.
        let waker = cx.waker().clone();
        let _before = {
            let mut contents = self.contents();
            match std::mem::replace(&mut contents.phase, Phase::Over) {
                Phase::Ended(end) => return Poll::Ready(end),
                Phase::Over => return Poll::Ready(End::Lost),
                phase => contents.phase = phase,
            }
            contents.waker.replace(waker)
        };
        Poll::Pending
    }

    /// Takes a body back that has not begun; one that has is cancelled. Tells whether it was taken back.
    pub(super) fn cancel(&self, kind: ReasonKind, message: Option<String>) -> bool {
        let (scope, body) = {
            let mut contents = self.contents();
            match std::mem::replace(&mut contents.phase, Phase::Over) {
                Phase::Asked(body) => (None, Some(body)),
                phase => {
                    let scope = if let Phase::Begun(scope) = &phase { Some(scope.clone()) } else { None };
                    contents.phase = phase;
                    (scope, None)
                }
            }
        };
        if let Some(scope) = scope {
            scope.cancel_for(kind, message);
        }
        body.is_some()
    }

    /// Tells the body that its caller is finishing.
    pub(super) fn finish(&self) {
        let scope = {
            let mut contents = self.contents();
            contents.finishing = true;
            if let Phase::Begun(scope) = &contents.phase { Some(scope.clone()) } else { None }
        };
        if let Some(scope) = scope {
            scope.finish(UNTIL_CANCELLED);
        }
    }

    /// Says how the body has ended. Gives that back if nobody waits for it.
    fn end(&self, end: End<T>) -> Option<End<T>> {
        let (waker, _body) = {
            let mut contents = self.contents();
            let before = std::mem::replace(&mut contents.phase, Phase::Over);
            if matches!(before, Phase::Over) {
                return Some(end);
            }
            contents.phase = Phase::Ended(end);
            (contents.waker.take(), before)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }
}

impl<B, T> Abandon for Arc<Exchange<B, T>> {
    /// A body that has begun is cancelled. Who waits all the same learns that there will be nothing.
    fn abandon(&self) {
        let (phase, waker) = {
            let mut contents = self.contents();
            (std::mem::replace(&mut contents.phase, Phase::Over), contents.waker.take())
        };
        match phase {
            Phase::Begun(scope) => {
                scope.cancel_because("nobody waits for it any more");
            }
            Phase::Ended(End::Panic(payload)) => {
                let text = text_of(payload);
                log::error!(
                    "what was called on another core has panicked, and nobody has waited for it: {text}"
                );
            }
            _ => {}
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Whoever has told a scope to finish cancels it when its own time is over.
const UNTIL_CANCELLED: Duration = Duration::MAX;

/// The side of who was asked. Dropped before the end it says that there will be none.
pub(super) struct Asked<B, T>(Option<Arc<Exchange<B, T>>>);

impl<B, T> Asked<B, T> {
    pub(super) fn new(exchange: &Arc<Exchange<B, T>>) -> Self {
        Self(Some(exchange.clone()))
    }

    /// Takes the body, which begins here, in the current scope; `None` if it was taken back.
    fn begin(&self) -> Option<B> {
        let scope = lowlevel::current_scope_remote();
        let mut contents = self.0.as_ref()?.contents();
        match std::mem::replace(&mut contents.phase, Phase::Over) {
            Phase::Asked(body) => {
                let finishing = contents.finishing;
                contents.phase = Phase::Begun(scope.clone());
                drop(contents);
                if finishing {
                    scope.finish(UNTIL_CANCELLED);
                }
                Some(body)
            }
            phase => {
                contents.phase = phase;
                None
            }
        }
    }

    /// Does what was asked for. A panic that nobody waits for goes on here.
    pub(super) async fn run(mut self)
    where
        B: AsyncFnOnce() -> T,
    {
        let Some(body) = self.begin() else { return };
        // Made within, so that a panic of the function itself counts, too.
        let end = match catch_panic(Extent::new(async { body().await })).await {
            Ok(value) => End::Value(Value { value, stopped: stages() }),
            Err(payload) => End::Panic(payload),
        };
        let left = self.0.take().and_then(|exchange| exchange.end(end));
        if let Some(End::Panic(payload)) = left {
            resume_unwind(payload);
        }
    }
}

/// Which stages of its end the current scope has come to.
fn stages() -> [Option<Stopping>; 2] {
    [
        lowlevel::is_cancelled().then_some(Stopping::Cancel),
        lowlevel::is_finishing().then_some(Stopping::Finish),
    ]
}

impl<B, T> Drop for Asked<B, T> {
    fn drop(&mut self) {
        if let Some(exchange) = self.0.take() {
            exchange.end(End::Lost);
        }
    }
}
