//! What ends a connection beside its peers.

use super::{calls::Calls, connection::Connection};
use crate::write_behind::Driven;
use anyio::{Cancelled, Sleep, foreign, sleep};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

impl Connection<'_> {
    /// Polls what speaks with the client to its end, and sees to it that what that writes is sent. `shut_down` has it come to
    /// an end, when the server drains, when a handler has panicked, and when the connection was idle for long.
    ///
    /// The connection is polled only if something has happened that concerns it, which the end of a write mostly does not.
    pub(super) async fn drive<C: Future>(
        &self,
        connection: C,
        writer: &impl Driven,
        shut_down: impl Fn(Pin<&mut C>),
    ) -> Result<C::Output, Cancelled> {
        let mut connection = pin!(connection);
        let mut draining = pin!(self.serving.draining.wait());
        let mut is_draining = false;
        let mut idle = Idle::default();
        let mut calls = Calls::default();
        let output = foreign(poll_fn(|cx| {
            if !is_draining && draining.as_mut().poll(cx).is_ready() {
                is_draining = true;
                self.finish();
                shut_down(connection.as_mut());
                calls.note();
            }
            if self.takes_closing() {
                self.finish();
                shut_down(connection.as_mut());
                calls.note();
            }
            if writer.drive(cx) {
                calls.note();
            }
            if calls.take(cx)
                && let Poll::Ready(output) = connection.as_mut().poll(&mut calls.context())
            {
                return Poll::Ready(output);
            }
            if !is_draining && idle.poll(self, cx).is_ready() {
                self.finish();
                shut_down(connection.as_mut());
                return connection.as_mut().poll(&mut calls.context());
            }
            Poll::Pending
        }))
        .await?;
        foreign(poll_fn(|cx| writer.poll_release(cx))).await?;
        Ok(output)
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
