//! How slowly a client may take what is sent to it.
//!
//! Nothing is timed as long as all goes out at once. Then a window of time is open, at whose end it is looked at what has become of
//! what was waiting at its beginning, and so on while something waits. A stream of HTTP/2 waits also where the connection does not: it
//! has a window of its own, of bytes, that its client opens.

mod body;
mod executor;
mod streams;

pub(super) use body::PacedBody;
pub(super) use executor::StreamExecutor;
pub(super) use streams::Streams;

use super::{
    connection::Connection,
    error::ConnectionError,
    gathering::Gathered,
    options::SendLimit,
    sending::{Sending, Sent},
    statistics::count,
};
use anyio::{Sleep, sleep};
use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// What a connection sends, and the limit for it, if there is one.
pub(super) struct Paced {
    limit: Option<SendLimit>,
    sending: Rc<Sending>,
    streams: Option<Rc<Streams>>,
    gathered: Option<Rc<dyn Gathered>>,
}

impl Paced {
    pub(super) fn new(limit: Option<SendLimit>, sending: Rc<Sending>) -> Self {
        Self { limit, sending, streams: None, gathered: None }
    }

    /// With what several streams of the connection send.
    pub(super) fn with_streams(mut self, streams: Rc<Streams>, gathered: Rc<dyn Gathered>) -> Self {
        self.streams = Some(streams);
        self.gathered = Some(gathered);
        self
    }

    /// Whether there are answers that have not left.
    #[inline]
    fn has_something(&self) -> bool {
        self.sending.is_behind() || self.streams.as_ref().is_some_and(|streams| streams.has_some())
    }
}

/// Looks at what waits to be sent at the end of each window of time.
pub(super) struct SendClock {
    paced: Option<Paced>,
    window: Option<Window>,
    is_over: bool,
}

struct Window {
    end: Sleep,
    /// How much had been sent when it began, if something was waiting then.
    then: Option<Sent>,
}

impl SendClock {
    pub(super) fn new(paced: Option<Paced>) -> Self {
        Self { paced, window: None, is_over: false }
    }

    /// Whether there are answers that have not left.
    pub(super) fn has_something(&self) -> bool {
        self.paced.as_ref().is_some_and(Paced::has_something)
    }

    /// Has leave what was gathered while the connection was polled. True if it is to be polled again.
    #[inline]
    pub(super) fn leave(&self, cx: &mut Context<'_>) -> bool {
        let gathered = self.paced.as_ref().and_then(|paced| paced.gathered.as_ref());
        gathered.is_some_and(|gathered| gathered.leave(cx))
    }

    /// Notices the end of a window. What has been sent by then is known when the connection was polled after that.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        let (Some(paced), Some(window)) = (&self.paced, &mut self.window) else { return };
        // In a cancelled scope no time is over.
        if let Poll::Ready(Ok(())) = Pin::new(&mut window.end).poll(cx) {
            self.is_over = true;
            paced.sending.ask_the_system(true);
        }
    }

    /// Whether there is something to do: a window to begin or to end.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        match (&self.paced, &self.window) {
            (None, _) => false,
            (Some(paced), None) => paced.limit.is_some() && paced.has_something(),
            (Some(_), Some(_)) => self.is_over,
        }
    }

    /// Ends a window, and begins the next if something waits. The error is the connection's; streams are told of theirs.
    #[cold]
    pub(super) fn pass(
        &mut self,
        connection: &Connection<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), ConnectionError> {
        let Some(paced) = &self.paced else { return Ok(()) };
        let Some(limit) = paced.limit else { return Ok(()) };
        let now = paced.sending.is_behind().then(|| paced.sending.so_far());
        if let Some(window) = self.window.take().filter(|_| std::mem::take(&mut self.is_over)) {
            // What the connection sent while it could not send all. `None` if nothing kept it from that at some time.
            let sent = window.then.zip(now).and_then(|(then, now)| now.since(&then));
            if let Some(sent) = sent.filter(|sent| *sent < limit.least()) {
                count(&connection.server().counts.send_timed_out);
                return Err(limit.missed_with(sent));
            }
            if let Some(streams) = &paced.streams {
                let outcome = streams.end_slow_ones(limit.least(), sent);
                for sent in &outcome.sent {
                    count(&connection.server().counts.send_timed_out);
                    connection.server().tell(&limit.missed_with(*sent));
                }
                if outcome.needs_the_end {
                    connection.close_soon();
                }
            }
        }
        if paced.has_something() {
            paced.sending.ask_the_system(now.is_none());
            if let Some(streams) = &paced.streams {
                streams.mark();
            }
            self.window = Some(Window { end: sleep(limit.time), then: now });
            self.look(cx);
            if self.is_over {
                cx.waker().wake_by_ref();
            }
        }
        Ok(())
    }
}
