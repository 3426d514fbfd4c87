//! What is sent as the answer to a call.

use crate::{BoxError, call::Call, status::deadline_exceeded};
use anyio::{CancelScope, current_time, foreign, move_on_after};
use anyio_http::{BodySender, ProducedBody, produce_body};
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long a client is given to take what it is told at the deadline.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The body of an answer to a call. See [`grpc`](crate::grpc).
#[derive(Default)]
pub struct AnswerBody(Kind);

enum Kind {
    /// At most a message and the trailers.
    Whole(Beginning),
    /// What a task sends.
    Produced(ProducedBody),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Whole(Beginning::default())
    }
}

/// The frames that were there at once, in their order.
#[derive(Default)]
struct Beginning {
    first: Option<Frame<Bytes>>,
    second: Option<Frame<Bytes>>,
}

impl Beginning {
    fn take(&mut self) -> Option<Frame<Bytes>> {
        self.first.take().or_else(|| self.second.take())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Whole(frames) => Poll::Ready(frames.take().map(Ok)),
            Kind::Produced(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(frames) => frames.first.is_none() && frames.second.is_none(),
            Kind::Produced(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(frames) if frames.first.is_none() => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}

/// An answer whose method has returned, and whose messages are still to come.
pub(super) struct Begun<B> {
    call: Rc<Call>,
    deadline: Option<Instant>,
    beginning: Beginning,
    /// Why there is no more after the beginning.
    failure: Option<BoxError>,
    body: Pin<Box<B>>,
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + 'static> Begun<B> {
    /// Makes what is sent of what tonic answers. That of a method with one message is there at once; others need a task.
    pub(super) async fn probe(
        call: Rc<Call>,
        deadline: Option<Instant>,
        answer: Response<B>,
    ) -> Response<AnswerBody> {
        let (head, body) = answer.into_parts();
        let beginning = Beginning::default();
        let mut begun = Self { call, deadline, beginning, failure: None, body: Box::pin(body) };
        let is_whole = poll_fn(|cx| Poll::Ready(begun.poll_beginning(cx))).await;
        if is_whole {
            return Response::from_parts(head, AnswerBody(Kind::Whole(begun.beginning)));
        }
        let answer = produce_body(Response::from_parts(head, ()), async |sender| begun.send(sender).await);
        answer.map(|body| AnswerBody(Kind::Produced(body)))
    }

    /// Takes the frames that are there. Tells whether these are all.
    fn poll_beginning(&mut self, cx: &mut Context<'_>) -> bool {
        let Self { call, body, beginning, failure, .. } = self;
        let mut next = || match call.probe(|| body.as_mut().poll_frame(cx)) {
            Poll::Ready(None) => Next::End,
            Poll::Ready(Some(Ok(frame))) => Next::Frame(frame),
            Poll::Ready(Some(Err(error))) => {
                *failure = Some(error.into());
                Next::Later
            }
            Poll::Pending => Next::Later,
        };
        for place in [&mut beginning.first, &mut beginning.second] {
            match next() {
                Next::End => return true,
                Next::Later => return false,
                Next::Frame(frame) => {
                    let is_last = frame.is_trailers();
                    *place = Some(frame);
                    if is_last {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Sends what is to come, in the task of the call.
    async fn send(self, sender: BodySender) -> Result<(), BoxError> {
        let Self { call, deadline, mut beginning, failure, mut body } = self;
        let scope = CancelScope::new();
        scope.set_deadline(deadline);
        let sent = scope
            .run(async || {
                let sent = async {
                    while let Some(frame) = beginning.take() {
                        sender.send_frame(frame).await?;
                    }
                    match failure {
                        Some(error) => Err(error),
                        None => send_frames(&call, body.as_mut(), &sender).await,
                    }
                };
                let sent = sent.await;
                call.enter(|| drop(body));
                // What has begun in it sees that nobody takes its messages, and is awaited.
                let left = call.take_left();
                if !left.is_empty() {
                    scope.cancel();
                    for task in left {
                        drop(task.await);
                    }
                }
                sent
            })
            .await;
        let has_passed = deadline.is_some_and(|deadline| current_time() >= deadline);
        match sent {
            Ok(Some(())) => Ok(()),
            Ok(None) if has_passed => {
                let told = move_on_after(LAST_WORDS, sender.send_trailers(trailers_of_deadline())).await?;
                told.ok_or_else(|| "the client does not take what it is told at the deadline".into())
            }
            Ok(None) => Err("what sends the messages was cancelled".into()),
            Err(error) => Err(error),
        }
    }
}

enum Next {
    End,
    Later,
    Frame(Frame<Bytes>),
}

fn trailers_of_deadline() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Its text is one that can be a header.
    let added = deadline_exceeded().add_header(&mut trailers);
    debug_assert!(added.is_ok());
    trailers
}

async fn send_frames<B>(call: &Rc<Call>, mut body: Pin<&mut B>, sender: &BodySender) -> Result<(), BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    while let Some(frame) = foreign(poll_fn(|cx| call.enter(|| body.as_mut().poll_frame(cx)))).await? {
        let frame = frame.map_err(Into::into)?;
        sender.send_frame(frame).await?;
    }
    Ok(())
}
