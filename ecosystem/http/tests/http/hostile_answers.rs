//! Answers that panic.

use crate::{
    client::{GET, body_of, exchange, get, http1, http2, text},
    meeting::Meeting,
};
use anyio::{Result, foreign, task_group};
use anyio_http::{RequestBody, Server};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    SizeHint,
    IsEndStream,
    Poll,
    Drop,
}

struct Panics(When);

impl Panics {
    fn at(&self, when: When) {
        if self.0 == when && !thread::panicking() {
            std::panic::resume_unwind(Box::new(format!("{when:?}")));
        }
    }
}

impl Body for Panics {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.at(When::Poll);
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.at(When::IsEndStream);
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.at(When::SizeHint);
        SizeHint::default()
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.at(When::Drop);
    }
}

#[anyio::test]
async fn a_body_that_panics_ends_one_connection_alone_and_is_told() -> Result<()> {
    for when in [When::SizeHint, When::IsEndStream, When::Poll, When::Drop] {
        for is_http2 in [false, true] {
            let (meeting, told) = (Meeting::new(), RefCell::new(Vec::new()));
            let server = Server::new().on_error(|error| told.borrow_mut().push(error.to_string()));
            let handler = async |request: Request<RequestBody>| -> Result<_, Infallible> {
                Ok(match request.uri().path() {
                    "/panic" => Response::new(UnsyncBoxBody::new(Panics(when))),
                    _ => text("well").map(UnsyncBoxBody::new),
                })
            };
            task_group(async |tg| -> Result<()> {
                let serving = tg.start_soon(async { server.serve(&meeting, handler).await });
                let mut other = http1(tg, meeting.connect()).await;
                if is_http2 {
                    let mut sender = http2(tg, meeting.connect()).await;
                    if let Ok(answer) = foreign(sender.send_request(get("http://h/panic"))).await? {
                        drop(foreign(answer.into_body().collect()).await?);
                    }
                } else {
                    exchange(meeting.connect(), GET.replace("/ ", "/panic ")).await?;
                }
                assert_eq!(body_of(other.send_request(get("/")).await.unwrap()).await, "well");
                assert!(!serving.is_finished());
                tg.cancel();
                Ok(())
            })
            .await?;
            let statistics = server.statistics();
            assert_eq!((statistics.panicked, statistics.requests), (1, 0), "{when:?} {is_http2}");
            assert_eq!(told.borrow().len(), 1, "{when:?} {is_http2}: {told:?}");
            assert!(told.borrow()[0].contains(&format!("{when:?}")), "{when:?} {is_http2}: {told:?}");
        }
    }
    Ok(())
}

#[anyio::test]
async fn an_error_hook_that_panics_ends_one_connection_alone() -> Result<()> {
    for is_http2 in [false, true] {
        let (meeting, calls) = (Meeting::new(), Cell::new(0));
        let server = Server::new().on_error(|_| {
            calls.set(calls.get() + 1);
            std::panic::resume_unwind(Box::new("the hook"));
        });
        let handler = async |request: Request<RequestBody>| {
            if request.uri().path() == "/fail" { Err("as asked for") } else { Ok(text("well")) }
        };
        task_group(async |tg| -> Result<()> {
            let serving = tg.start_soon(async { server.serve(&meeting, handler).await });
            let mut other = http1(tg, meeting.connect()).await;
            if is_http2 {
                let mut sender = http2(tg, meeting.connect()).await;
                drop(foreign(sender.send_request(get("http://h/fail"))).await?);
            } else {
                exchange(meeting.connect(), GET.replace("/ ", "/fail ")).await?;
            }
            assert_eq!(body_of(other.send_request(get("/")).await.unwrap()).await, "well");
            assert!(!serving.is_finished());
            tg.cancel();
            Ok(())
        })
        .await?;
        assert!(calls.get() > 0);
        assert_eq!(server.statistics().requests, 0);
    }
    Ok(())
}
