//! What the streams of a connection of HTTP/2 send together.

use crate::{
    client::{get, http2, text},
    meeting::Meeting,
};
use anyio::{
    Chunk, Error, IoBufMut, Result, fail_after, foreign,
    lowlevel::take_chunk,
    shield, sleep,
    streams::{
        AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, Listener, Split, StapledByteStream,
        memory,
    },
    task_group,
    testing::{lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked},
};
use anyio_http::{ConnectionError, RequestBody, Server};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a client begins with: that it speaks HTTP/2, and its settings.
fn beginning() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()
}

/// Requests for `/`, each on a stream of its own.
fn requests(count: u32) -> Vec<u8> {
    (0..count).flat_map(request).collect()
}

/// One of them.
fn request(index: u32) -> Vec<u8> {
    frame(HEADERS, 5, 2 * index + 1, b"\x82\x84\x86\x41\x01h")
}

/// How many frames of a kind there are in what was sent.
fn count(kind: u8, mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [a, b, c, this, rest @ ..] = bytes {
        count += usize::from(*this == kind);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = &rest[5 + length..];
    }
    count
}

/// The listener of a server that is given its streams.
struct Door<S>(memory::ReceiveStream<S>);

impl<S: Split> Listener for Door<S> {
    type Stream = S;

    async fn accept(&self) -> Result<S> {
        self.0.receive().await?.ok_or(Error::EndOfStream)
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

#[anyio::test]
async fn answers_to_what_was_asked_together_leave_as_one_piece() -> Result<()> {
    let (sender, streams) = memory::unbounded();
    let (server, door) = (Server::new(), Door(streams));
    let handler = async |_: Request<RequestBody>| anyio::Ok(text("hello"));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, handler).await });
        let (mut client, stream) = lockstep_stream_pair();
        sender.send(stream).await?;
        client.send(beginning()).await?;
        let mut settings = 0;
        while settings < 2 {
            settings += count(SETTINGS, &client.receive().await?.ok_or(Error::EndOfStream)?);
        }
        client.send([frame(SETTINGS, 1, 0, &[]), requests(10)].concat()).await?;
        let piece = client.receive().await?.ok_or(Error::EndOfStream)?;
        assert_eq!((count(HEADERS, &piece), count(DATA, &piece)), (10, 10));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// What it is asked for by the path: so many bytes, at once or later.
async fn sized(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>> {
    let length = request.uri().path()[1..].parse::<usize>().unwrap();
    if length % 3 == 0 {
        sleep(Duration::from_millis(length as u64 % 7)).await?;
    }
    let bytes = (0..length).map(|index| (index + length) as u8).collect::<Vec<_>>();
    Ok(Response::new(Full::new(bytes.into())))
}

#[anyio::test(clock = "virtual")]
async fn answers_of_all_sizes_come_whole_and_in_order() -> Result<()> {
    let (server, meeting) = (Server::new(), Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, sized).await });
        let sender = http2(tg, meeting.connect()).await;
        for round in 0..4 {
            let answers = (0..100).map(|index| {
                let length = (index * index * 5 + round * 1000) % 40_000;
                let mut sender = sender.clone();
                async move {
                    let answer = sender.send_request(get(&format!("http://h/{length}"))).await.unwrap();
                    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                    assert_eq!(bytes.len(), length);
                    assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == (at + length) as u8));
                }
            });
            foreign(join_all(answers)).await?;
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_client_that_goes_before_its_answers_leave_ends_its_connection_alone() -> Result<()> {
    let (sender, streams) = memory::unbounded();
    let (told, cleaned_up) = (RefCell::new(Vec::new()), Cell::new(0));
    let on_error = |error: &ConnectionError| told.borrow_mut().push(error.to_string());
    let (server, door) = (Server::new().on_error(on_error), Door(streams));
    let handler = async |_: Request<RequestBody>| {
        let waited = sleep(Duration::from_secs(1)).await;
        if waited.is_err() {
            shield(sleep(Duration::from_secs(1))).await?;
            cleaned_up.set(cleaned_up.get() + 1);
        }
        waited?;
        anyio::Ok(text("hello"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, handler).await });
        for (waits, expected) in [(true, 0), (false, 10)] {
            let (mut client, stream) = lockstep_stream_pair();
            sender.send(stream).await?;
            client.send(beginning()).await?;
            let mut settings = 0;
            while settings < 2 {
                settings += count(SETTINGS, &client.receive().await?.ok_or(Error::EndOfStream)?);
            }
            client.send([frame(SETTINGS, 1, 0, &[]), requests(10)].concat()).await?;
            wait_all_tasks_blocked().await?;
            if waits {
                // The answers are on their way, to nobody.
                sleep(Duration::from_millis(1500)).await?;
            }
            drop(client);
            sleep(Duration::from_secs(3)).await?;
            assert_eq!(server.statistics().connections, 0, "{:?}", told.borrow());
            assert_eq!(cleaned_up.replace(0), expected);
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// Bytes from somewhere that knows nothing but wakers.
#[derive(Default)]
struct Feed {
    pieces: RefCell<VecDeque<Vec<u8>>>,
    reader: RefCell<Option<Waker>>,
}

impl Feed {
    fn add(&self, piece: Vec<u8>) {
        self.pieces.borrow_mut().push_back(piece);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The end of it that is read from.
struct Fed(Rc<Feed>);

impl Attributes for Fed {
    fn provide(&self, _: &mut AttributeRequest<'_>) {}
}

impl ByteReceiveStream for Fed {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        foreign(poll_fn(|cx| self.poll_receive(cx))).await?
    }

    async fn receive_at_most(&mut self, _: usize) -> Result<Option<Chunk>> {
        unreachable!("servers receive what comes")
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        (Err(Error::Unsupported("receiving into a buffer")), buffer)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let Some(piece) = self.0.pieces.borrow_mut().pop_front() else {
            *self.0.reader.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let mut chunk = take_chunk();
        chunk.extend_from_slice(&piece).expect("a chunk has room for little");
        Poll::Ready(Ok(Some(chunk)))
    }
}

/// A body that has its own connection receive something more as it is first polled.
struct Feeding {
    feed: Rc<Feed>,
    piece: Option<Vec<u8>>,
}

impl Body for Feeding {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let piece = self.piece.take();
        Poll::Ready(piece.map(|piece| {
            self.feed.add(piece);
            Ok(Frame::data(Bytes::from_static(b"hello")))
        }))
    }
}

#[anyio::test(clock = "virtual")]
async fn what_comes_while_a_stream_begins_is_read_though_only_a_waker_tells_of_it() -> Result<()> {
    let (sender, streams) = memory::unbounded();
    let (server, door) = (Server::new(), Door(streams));
    let feed = Rc::<Feed>::default();
    let next = Cell::new(1);
    let handler = async |_: Request<RequestBody>| {
        let index = next.replace(next.get() + 1);
        let piece = if index < 3 { request(index) } else { Vec::new() };
        anyio::Ok(Response::new(Feeding { feed: feed.clone(), piece: Some(piece) }))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, handler).await });
        // Sending wakes nobody there.
        let (mut client, stream) = memory_stream_pair();
        let (_unused, send) = stream.split();
        sender.send(StapledByteStream::new(send, Fed(feed.clone()))).await?;
        feed.add([beginning(), frame(SETTINGS, 1, 0, &[]), request(0)].concat());
        let mut answered = 0;
        while answered < 3 {
            let piece = fail_after(Duration::from_secs(5), client.receive()).await?;
            answered += count(HEADERS, &piece.ok_or(Error::EndOfStream)?);
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
