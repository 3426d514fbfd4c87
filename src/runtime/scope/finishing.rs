//! Finishing: the stage before a cancellation, in which nothing new starts.

use super::{CancelReason, Deadline, Flags, ReasonKind, Scope, Stopping, When};
use crate::runtime::{Core, StoredWaker, clock};
use std::{
    panic::Location,
    time::{Duration, Instant},
};

/// How a scope was told to finish.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    /// When the scope is cancelled. A span counts from when the body begins.
    end: Deadline,
    location: &'static Location<'static>,
}

impl Scope {
    /// Tells the scope to come to its end in good order: nothing new starts in it, what is busy goes on, and after `grace`
    /// what is left is cancelled, with the reason [`ReasonKind::Finished`].
    ///
    /// What starts something new ends with [`Error::Finishing`](crate::Error::Finishing), now and whenever it is come to
    /// later: [`accept`](crate::streams::Listener::accept), and all waits that are declared [`idle`](crate::idle()), such as
    /// that of a connection between requests, or of a consumer between messages. Serving
    /// ([`Listener::serve`](crate::streams::Listener::serve)) accepts no more and ends when its connections have. The scope
    /// absorbs that error as it does its cancellation. Everything else goes on; it may ask
    /// [`is_finishing`](crate::lowlevel::is_finishing), and wait for [`finishing`](crate::finishing()).
    ///
    /// Like a cancellation it reaches everything inside, down to shields, and can be told before the body begins: then the
    /// time counts from there. To say it again can only shorten the time. Does nothing if the scope is cancelled.
    ///
    /// ```
    /// use anyio::{CancelScope, Result, idle, sleep, streams::memory::channel};
    /// use std::time::Duration;
    ///
    /// # anyio::run(async || -> Result<()> {
    /// let scope = CancelScope::new();
    /// let (messages, queue) = channel(10);
    /// messages.send(1).await?;
    /// let mut done = Vec::new();
    /// let ended = scope
    ///     .run(async || -> Result<()> {
    ///         while let Some(message) = idle(queue.receive()).await? {
    ///             scope.finish(Duration::from_secs(10));
    ///             // This message is dealt with, and no other begun.
    ///             sleep(Duration::from_millis(1)).await?;
    ///             done.push(message);
    ///         }
    ///         Ok(())
    ///     })
    ///     .await?;
    /// assert_eq!((ended, done), (None, vec![1]));
    /// # Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn finish(&self, grace: Duration) {
        self.finish_at(grace, Location::caller());
    }

    /// Whether this scope itself was told to finish. Scopes further out do not count.
    pub fn finish_called(&self) -> bool {
        self.has(Flags::FINISH)
    }

    pub(crate) fn finish_at(&self, grace: Duration, location: &'static Location<'static>) {
        if self.has(Flags::CANCELLED) {
            return;
        }
        let end = match self.is_entered() {
            true => clock::now().checked_add(grace).map_or(Deadline::NEVER, Deadline::at),
            false => Deadline::after(grace),
        };
        if self.told_to_finish().is_none_or(|finish| end.is_before(finish.end)) {
            self.finish.set(Some(Box::new(Finish { end, location })));
        }
        self.set(Flags::FINISH, true);
        if self.is_entered() {
            // Without an executor nothing waits any more.
            Core::try_with(|core| {
                if !self.has(Flags::FINISHING) {
                    self.deliver(core, Stopping::Finish);
                }
                self.begin_grace(core);
            });
        }
    }

    fn told_to_finish(&self) -> Option<Finish> {
        let finish = self.finish.take();
        let copy = finish.as_deref().copied();
        self.finish.set(finish);
        copy
    }

    /// Has the time run that is left, or ends it.
    pub(super) fn begin_grace(&self, core: &Core) {
        if self.has(Flags::CANCELLED) {
            return;
        }
        if let Some(finish) = self.told_to_finish() {
            if let When::After(grace) = finish.end.when() {
                let end = core.now().checked_add(grace).map_or(Deadline::NEVER, Deadline::at);
                self.finish.set(Some(Box::new(Finish { end, ..finish })));
            }
        }
        self.disarm(core);
        match self.end_of_grace() {
            Some(end) if end <= core.now() => self.expire(core),
            _ => self.arm(core),
        }
    }

    /// When what is left is cancelled, if the body has begun.
    pub(super) fn end_of_grace(&self) -> Option<Instant> {
        if !self.has(Flags::FINISH) {
            return None;
        }
        match self.told_to_finish()?.end.when() {
            When::At(at) => Some(at),
            When::Never | When::After(_) => None,
        }
    }

    /// Where somebody told this scope to finish, or one further out that reaches into it.
    pub(super) fn finish_location(&self) -> Option<&'static Location<'static>> {
        let mut node = self;
        loop {
            if node.has(Flags::FINISH) {
                return Some(node.told_to_finish()?.location);
            }
            if node.has(Flags::SHIELDED) {
                return None;
            }
            node = node.parent()?;
        }
    }

    /// Whether nothing new may start in this scope.
    pub(crate) fn is_finishing(&self) -> bool {
        self.is_stopped(Stopping::Finish)
    }

    /// Finishing has reached this node: what is idle in it ends.
    pub(super) fn end_idle(&self, core: &Core) {
        core.finish_waits(self);
        // What has been told to end stays so, also if a shield comes up afterwards.
        if self.has(Flags::IDLE) && !self.has(Flags::CANCELLED) {
            self.set(Flags::CANCELLED, true);
            self.disarm(core);
            if !self.has(Flags::EFFECTIVE) {
                self.deliver(core, Stopping::Cancel);
            }
        }
    }

    /// The reason of a cancellation that came of finishing.
    pub(super) fn reason_of_idle(&self) -> Option<CancelReason> {
        Some(CancelReason::new(ReasonKind::Finished, None, self.finish_location()?))
    }
}

impl Core {
    #[inline]
    pub(crate) fn scope_is_finishing(&self) -> bool {
        self.scope().is_some_and(Scope::is_finishing)
    }

    pub(super) fn finish_waits(&self, scope: &Scope) {
        self.waits().end_idle(scope, |waker: StoredWaker| self.wake_stored(waker));
    }
}
