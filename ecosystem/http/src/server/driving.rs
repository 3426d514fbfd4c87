//! What ends a connection beside its peers.

use super::{
    calls::Calls,
    connection::Connection,
    error::ConnectionError,
    head_limit::HeadClock,
    send_limit::{Paced, SendClock},
};
use anyio::{Cancelled, Scope, Sleep, foreign, sleep};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

/// How what speaks with a client has ended.
pub(super) enum Ended<T> {
    ByItself {
        output: T,
        /// It was to end, and all requests were answered: whatever the client did then cost nobody anything.
        as_asked: bool,
    },
    /// The client has broken a limit.
    ByForce(ConnectionError),
}

impl Connection<'_> {
    /// Polls what speaks with the client to its end. `shut_down` has it come to an end, when the server drains, when a handler
    /// has panicked, and when the connection was idle for long. The scope is the connection's own. What it sends may be paced.
    ///
    /// What it is polled for is mostly the client; what else can end it is polled only when it was woken.
    pub(super) async fn drive<C: Future>(
        &self,
        scope: &Scope,
        connection: C,
        paced: Option<Paced>,
        shut_down: impl Fn(Pin<&mut C>),
    ) -> Result<Ended<C::Output>, Cancelled> {
        let mut connection = pin!(connection);
        let mut draining = pin!(self.serving.draining.wait());
        let (mut is_draining, mut is_asked) = (false, false);
        let (mut heads, mut idle) = (HeadClock::default(), Idle::default());
        let mut sends = SendClock::new(paced);
        let mut calls = Calls::new(&self.serving.calls);
        foreign(poll_fn(|cx| {
            let is_called = calls.take(cx);
            if is_called {
                if !is_draining && draining.as_mut().poll(&mut calls.context()).is_ready() {
                    is_draining = true;
                    self.close_soon();
                }
                heads.look(&self.heads, &mut calls.context());
                sends.look(&mut calls.context());
            }
            loop {
                if self.takes_closing() {
                    is_asked = true;
                    self.finish(scope);
                    shut_down(connection.as_mut());
                }
                let polled = connection.as_mut().poll(cx);
                let has_failed = sends.leave(cx);
                if let Poll::Ready(output) = polled {
                    let as_asked = is_asked && self.requests.is_idle();
                    return Poll::Ready(Ended::ByItself { output, as_asked });
                }
                if sends.is_due()
                    && let Err(error) = sends.pass(self, &mut calls.context())
                {
                    return Poll::Ready(Ended::ByForce(error));
                }
                let is_late =
                    heads.is_to_be_set(&self.heads) && heads.look(&self.heads, &mut calls.context());
                if is_called && !is_draining && idle.poll(self, &sends, &mut calls.context()).is_ready() {
                    self.close_soon();
                }
                if !is_late && !has_failed && !self.is_closing() {
                    return Poll::Pending;
                }
            }
        }))
        .await
    }
}

/// When a connection has had no request for long. The timer goes on while there are requests, as setting it anew for each
/// would cost more than it is worth; so a connection is found to be idle after at most twice the time.
#[derive(Default)]
struct Idle {
    sleep: Option<Sleep>,
    /// How many requests there had been when the timer was set, if none was there then.
    idle_then: Option<u64>,
    is_over: bool,
}

impl Idle {
    fn poll(&mut self, connection: &Connection<'_>, sends: &SendClock, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = connection.server().options.idle_timeout.filter(|_| !self.is_over) else {
            return Poll::Pending;
        };
        let requests = &connection.requests;
        loop {
            // hyper takes over bodies that have not left yet.
            let is_idle = requests.is_idle() && !sends.has_something();
            let idle_now = is_idle.then(|| requests.total());
            let sleep = self.sleep.get_or_insert_with(|| {
                self.idle_then = idle_now;
                sleep(limit)
            });
            match Pin::new(sleep).poll(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
            }
            self.sleep = None;
            if idle_now.is_some() && idle_now == self.idle_then {
                self.is_over = true;
                return Poll::Ready(());
            }
        }
    }
}
