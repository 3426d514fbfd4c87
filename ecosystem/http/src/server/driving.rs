//! What ends a connection beside its peers.

use super::connection::Connection;
use anyio::{Cancelled, Sleep, foreign, sleep};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

impl Connection<'_> {
    /// Polls what speaks with the client to its end. `shut_down` has it come to an end, when the server drains, when a
    /// handler has panicked, and when the connection was idle for long.
    pub(super) async fn drive<C: Future>(
        &self,
        connection: C,
        shut_down: impl Fn(Pin<&mut C>),
    ) -> Result<C::Output, Cancelled> {
        let mut connection = pin!(connection);
        let mut draining = pin!(self.serving.draining.wait());
        let mut is_draining = false;
        let mut idle = Idle::default();
        foreign(poll_fn(|cx| {
            if !is_draining && draining.as_mut().poll(cx).is_ready() {
                is_draining = true;
                self.finish();
                shut_down(connection.as_mut());
            }
            if self.takes_closing() {
                self.finish();
                shut_down(connection.as_mut());
            }
            let polled = connection.as_mut().poll(cx);
            if polled.is_pending() && !is_draining && idle.poll(self, cx).is_ready() {
                self.finish();
                shut_down(connection.as_mut());
                return connection.as_mut().poll(cx);
            }
            polled
        }))
        .await
    }
}

/// When a connection has had no request for long. The timer goes on while there are requests, as setting it anew for each
/// would cost more than it is worth; so a connection is found to be idle after at most twice the time.
#[derive(Default)]
struct Idle {
    sleep: Option<Sleep>,
    /// How many requests there had been when the timer was set.
    total_then: u64,
    is_over: bool,
}

impl Idle {
    fn poll(&mut self, connection: &Connection<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = connection.server().options.idle_timeout.filter(|_| !self.is_over) else {
            return Poll::Pending;
        };
        let requests = &connection.requests;
        loop {
            let sleep = self.sleep.get_or_insert_with(|| sleep(limit));
            match Pin::new(sleep).poll(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
            }
            self.sleep = None;
            if requests.is_idle() && requests.total() == self.total_then {
                self.is_over = true;
                return Poll::Ready(());
            }
            self.total_then = requests.total();
        }
    }
}
