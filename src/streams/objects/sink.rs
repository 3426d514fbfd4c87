//! Sending as a `futures_sink::Sink`.

use crate::{
    error::{Error, Result},
    streams::{AttributeRequest, Attributes, ObjectSendStream, repeated::Repeated, shared::Shared},
};
use futures_sink::Sink;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A stream that objects go to as a [`futures_sink::Sink`]. Sending allocates nothing.
///
/// It takes one object over at a time; it is sent when the next one, or a flush, is waited for. An error, such as that of a
/// cancelled scope, shows there, and the object is lost with it. Closing flushes and sends the end.
///
/// # Cancel safety
/// Sending that has begun goes on at the next poll if the future that waits for it is dropped.
pub struct ObjectSink<W, T> {
    // Dropped before the stream.
    sending: Repeated<Command<T>, Result<()>>,
    stream: Shared<W>,
    state: State,
}

enum Command<T> {
    Send(T),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ending,
    Ended,
}

// The stream lies elsewhere.
impl<W, T> Unpin for ObjectSink<W, T> {}

impl<T: 'static, W: ObjectSendStream<T> + 'static> ObjectSink<W, T> {
    /// Sends to this stream.
    pub fn new(stream: W) -> Self {
        let stream = Shared::new(stream);
        let share = stream.share();
        let sending = Repeated::new(move |command| {
            share.share().with(async |stream: &mut W| match command {
                Command::Send(item) => stream.send(item).await,
                Command::End => stream.send_eof().await,
            })
        });
        Self { sending, stream, state: State::Open }
    }

    /// The stream, unless it is sending. After a flush it is not.
    pub fn into_inner(self) -> Option<W> {
        let is_sending = self.sending.is_running();
        drop(self.sending);
        (!is_sending).then(|| self.stream.into_inner())
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.sending.is_running() { self.sending.poll(cx) } else { Poll::Ready(Ok(())) }
    }
}

impl<T: 'static, W: ObjectSendStream<T> + 'static> Sink<T> for ObjectSink<W, T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_sent(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<()> {
        if self.state != State::Open {
            return Err(Error::ClosedResource);
        }
        if self.sending.is_running() {
            return Err(Error::BusyResource("sending to this stream"));
        }
        self.sending.begin(Command::Send(item));
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.state == State::Open {
            ready!(self.poll_sent(cx))?;
            self.state = State::Ending;
        }
        if self.state == State::Ending {
            if !self.sending.is_running() {
                self.sending.begin(Command::End);
            }
            ready!(self.poll_sent(cx))?;
            self.state = State::Ended;
        }
        Poll::Ready(Ok(()))
    }
}

/// Those of the stream. They are not known while a send is in flight, which a flush waits for.
impl<W: Attributes, T> Attributes for ObjectSink<W, T> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}

impl<W, T> fmt::Debug for ObjectSink<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSink")
            .field("sending", &self.sending.is_running())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
