//! One connection.

use super::{
    Server,
    answering::{Answerer, StreamAnswerer},
    body::RequestBody,
    calls::CallCount,
    connection_info::ConnectionInfo,
    driving::Ended,
    error::ConnectionError,
    gathering::gathering,
    head_limit::HeadLimit,
    protocol::{self, Protocol},
    requests::Requests,
    send_limit::{Paced, StreamExecutor, Streams},
    sending::Sending,
    upgrade::Upgrades,
};
use crate::{BoxError, HyperIo};
use anyio::{
    Chunk, Error, Result, Scope, current_time, fail_after, idle,
    lowlevel::is_cancelled,
    streams::{Attributes, ByteReceiveStream, ByteSendStream},
    sync::{Event, Semaphore},
    task_group,
};
use bytes::Buf;
use http::{Request, Response, Version};
use http_body::Body;
use std::{cell::Cell, rc::Rc, time::Instant};

/// What all connections of a listener have in common.
pub(super) struct Serving<'a> {
    pub(super) server: &'a Server<'a>,
    pub(super) calls: CallCount,
    /// Set when there are to be no more requests.
    pub(super) draining: &'a Event,
    /// Whether that is because the scope around the server is finishing, which has a time of its own for it.
    pub(super) is_finishing: &'a Cell<bool>,
}

pub(super) struct Connection<'a> {
    pub(super) serving: &'a Serving<'a>,
    pub(super) requests: Rc<Requests>,
    pub(super) upgrades: Upgrades,
    pub(super) info: ConnectionInfo,
    pub(super) heads: HeadLimit,
    /// A permit for each task of a stream of HTTP/2: the protocol no longer counts those that were reset, whose tasks may have
    /// a lot to clean up.
    streams: Semaphore,
    is_closing: Cell<bool>,
    /// When what is left is cancelled, once nothing new starts.
    end_of_grace: Cell<Option<Instant>>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(serving: &'a Serving<'a>, stream: &impl Attributes) -> Self {
        let requests = Requests::new(serving.server.counts.requests.clone());
        Self {
            serving,
            heads: HeadLimit::of(&requests),
            requests,
            upgrades: Upgrades::default(),
            info: ConnectionInfo::new(stream, serving.server.options.max_body_bytes),
            streams: Semaphore::new(serving.server.options.max_streams as usize),
            is_closing: Cell::new(false),
            end_of_grace: Cell::new(None),
        }
    }

    pub(super) fn server(&self) -> &'a Server<'a> {
        self.serving.server
    }

    /// What limits how many tasks its requests have, where they come side by side.
    pub(super) fn streams(&self, version: Version) -> Option<&Semaphore> {
        (version >= Version::HTTP_2).then_some(&self.streams)
    }

    /// Has the connection end after the answers to what was asked so far.
    pub(super) fn close_soon(&self) {
        self.is_closing.set(true);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    pub(super) fn takes_closing(&self) -> bool {
        self.is_closing.replace(false)
    }

    /// From now on nothing new starts in the scope of the connection, and there is only so much time left.
    pub(super) fn finish(&self, scope: &Scope) {
        if self.serving.is_finishing.get() {
            scope.set_shield(false);
            return;
        }
        let grace = match self.end_of_grace.get() {
            Some(end) => end.saturating_duration_since(current_time()),
            None => self.server().options.grace,
        };
        self.end_of_grace.set(current_time().checked_add(grace));
        scope.finish(grace);
    }

    /// Answers requests until one of the sides ends that.
    pub(super) async fn serve<R, W, B, E>(
        &self,
        mut receive: R,
        send: W,
        handler: &impl AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
    ) -> Result<()>
    where
        R: ByteReceiveStream + Attributes + 'static,
        W: ByteSendStream + 'static,
        B: Body<Data: Buf + 'static, Error: Into<BoxError>> + 'static,
        E: Into<BoxError> + 'static,
    {
        let begun = idle(protocol::detect(&mut receive));
        let begun = match self.server().options.handshake_timeout {
            Some(limit) => fail_after(limit, begun).await,
            None => begun.await,
        };
        let (protocol, beginning) = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(()),
            Err(stopped @ (Error::Cancelled(_) | Error::Finishing)) => return Err(stopped),
            Err(error) => {
                self.server().tell(&ConnectionError::Handshake(error));
                return Ok(());
            }
        };
        let io = with_beginning(HyperIo::from_halves(receive, send), beginning);
        self.speak(protocol, io, handler).await
    }

    async fn speak<R, W, B, E>(
        &self,
        protocol: Protocol,
        io: HyperIo<R, W>,
        handler: &impl AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
    ) -> Result<()>
    where
        R: ByteReceiveStream + Attributes + 'static,
        W: ByteSendStream + 'static,
        B: Body<Data: Buf + 'static, Error: Into<BoxError>> + 'static,
        E: Into<BoxError> + 'static,
    {
        let options = &self.server().options;
        let limit = options.send_limit();
        let sending = Rc::<Sending>::default();
        let io = io.telling(sending.clone());
        let ended = task_group(async |group| -> Result<_> {
            keep_from_cancellation(group.scope());
            let answerer = Answerer { connection: self, group, handler };
            let ended = match protocol {
                Protocol::Http1 => {
                    let paced = Some(Paced::new(limit, sending));
                    let connection =
                        options.http1(&self.heads).serve_connection(io, answerer).with_upgrades();
                    self.drive(group.scope(), connection, paced, |connection| connection.graceful_shutdown())
                        .await
                }
                Protocol::Http2 => {
                    let streams = Rc::<Streams>::default();
                    let (io, gathered) = gathering(io);
                    let paced =
                        Some(Paced::new(limit, sending).with_streams(streams.clone(), gathered.clone()));
                    let http = options.http2(StreamExecutor { group, streams: streams.clone(), gathered });
                    let connection = http.serve_connection(io, StreamAnswerer { answerer, streams });
                    self.drive(group.scope(), connection, paced, |connection| connection.graceful_shutdown())
                        .await
                }
            };
            group.cancel();
            Ok(ended)
        })
        .await?;
        let error = match ended {
            // In a cancelled scope there are errors for that alone.
            Some(Ok(Ended::ByItself { output: Err(error), as_asked: false })) if !is_cancelled() => {
                Some(ConnectionError::Connection(error))
            }
            Some(Ok(Ended::ByForce(error))) => Some(error),
            _ => None,
        };
        if let Some(error) = error {
            self.server().tell(&error);
        }
        if let Some(upgraded) = self.upgrades.take() {
            task_group(async |group| -> Result<()> {
                keep_from_cancellation(group.scope());
                // A task, which is awaited also when it is cancelled.
                let running = group.start_soon(self.run_upgraded(upgraded));
                match self.drive(group.scope(), running, None, |_| ()).await? {
                    Ended::ByItself { output, .. } => output?,
                    Ended::ByForce(error) => self.server().tell(&error),
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

/// Cancelling what serves only means that its connections are to come to an end.
fn keep_from_cancellation(scope: &Scope) {
    scope.set_shield(true);
}

fn with_beginning<R, W>(io: HyperIo<R, W>, beginning: Option<Chunk>) -> HyperIo<R, W>
where
    R: ByteReceiveStream + 'static,
    W: ByteSendStream + 'static,
{
    match beginning {
        Some(beginning) => io.with_beginning(beginning),
        None => io,
    }
}
