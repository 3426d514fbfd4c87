//! Clients that take what they have asked for slowly, or not at all, on a virtual clock.

use crate::{
    certificate::Certificate,
    client::{GET, get, receive_until, status, text},
    meeting::Meeting,
};
use anyio::{
    Chunk, Error, IoBufMut, Result, current_time,
    net::{TcpListener, TcpStream, UnixReceiveHalf, UnixStream, attribute::Acknowledged},
    shield, sleep, sleep_forever,
    streams::{
        AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, Listener, Split, StapledByteStream,
        memory,
        tls::{TlsListener, TlsOptions, TlsStream},
    },
    task_group,
    testing::{LockstepByteSendHalf, lockstep_stream_pair},
};
use anyio_http::{
    ConnectionError, GroupExecutor, HyperIo, HyperTimer, RequestBody, Server, on_upgrade, produce_body,
};
use bytes::Bytes;
use futures_util::AsyncWriteExt;
use http::{Request, Response, StatusCode, header::UPGRADE};
use http_body_util::{BodyExt, Either, Full};
use hyper::client::conn::http2;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// What a minute and a rate ask for.
const LIMIT: Duration = Duration::from_secs(60);
const RATE: u64 = 100;

/// Gives the streams that the other end is given.
struct Door<S>(memory::ReceiveStream<S>);

impl<S: 'static> Door<S> {
    fn new() -> (memory::SendStream<S>, Self) {
        let (sender, receiver) = memory::unbounded();
        (sender, Self(receiver))
    }
}

impl<S: 'static> Listener for Door<S> {
    type Stream = S;

    async fn accept(&self) -> Result<S> {
        self.0.receive().await?.ok_or(Error::EndOfStream)
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

/// What a server has told.
#[derive(Default)]
struct Told {
    errors: RefCell<Vec<String>>,
    too_slow: Cell<usize>,
    cleaned_up: Rc<Cell<usize>>,
}

impl Told {
    fn server(&self) -> Server<'_> {
        let on_error = |error: &ConnectionError| {
            match error {
                ConnectionError::SendTimeout { sent, least, time } => {
                    assert!(sent < least && *time == LIMIT, "{error}");
                    self.too_slow.set(self.too_slow.get() + 1);
                }
                _ => self.errors.borrow_mut().push(error.to_string()),
            };
        };
        Server::new().send_timeout(LIMIT).min_send_rate(RATE).on_error(on_error)
    }

    /// Does what the path says.
    async fn answer(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Either<Full<Bytes>, anyio_http::ProducedBody>>> {
        let cleaned_up = self.cleaned_up.clone();
        Ok(match request.uri().path() {
            "/whole" => Response::new(Either::Left(Full::new(Bytes::from(vec![7; 1_000_000])))),
            "/later" => produce_body(Response::new(()), async |body| {
                for _ in 0..3 {
                    sleep(10 * LIMIT).await?;
                    body.send("later").await?;
                }
                Ok::<_, Error>(())
            })
            .map(Either::Right),
            "/floods" => produce_body(Response::new(()), async move |body| {
                let cancelled = loop {
                    if let Err(cancelled) = body.send(vec![7; 16 * 1024]).await {
                        break cancelled;
                    }
                };
                shield(sleep(SECOND)).await?;
                cleaned_up.set(cleaned_up.get() + 1);
                Err(cancelled)
            })
            .map(Either::Right),
            _ => text("hello").map(Either::Left),
        })
    }
}

/// Waits until the server has ended a connection, and tells how long that took. A second is that of cleaning up.
async fn time_to_the_end(server: &Server<'_>) -> Result<Duration> {
    let begun = current_time();
    while server.statistics().connections > 0 {
        sleep(SECOND / 2).await?;
    }
    Ok(current_time() - begun)
}

#[anyio::test(clock = "virtual")]
async fn a_client_that_reads_nothing_or_next_to_nothing_is_ended_and_its_request_cancelled() -> Result<()> {
    let (told, (sender, door)) = (Told::default(), Door::new());
    let server = told.server();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, async |request| told.answer(request).await).await });
        for (number, each) in [None, Some(SECOND), Some(59 * SECOND)].into_iter().enumerate() {
            let (mut client, stream) = lockstep_stream_pair();
            sender.send(stream).await?;
            client.send(GET.replace("/ ", "/floods ")).await?;
            assert_eq!(status(&receive_until(&mut client, "\r\n\r\n").await?), "200");
            let reading = tg.start_soon(async move {
                loop {
                    match each {
                        Some(time) => sleep(time).await?,
                        None => return Err(sleep_forever().await.into()),
                    }
                    if !matches!(client.receive_at_most(1).await, Ok(Some(_))) {
                        return Ok::<_, Error>(());
                    }
                }
            });
            let time = time_to_the_end(&server).await?;
            assert!(LIMIT <= time && time <= 2 * LIMIT + 2 * SECOND, "{each:?}: {time:?}");
            assert_eq!(told.cleaned_up.get(), number + 1);
            assert_eq!(server.statistics().send_timed_out, number as u64 + 1);
            assert_eq!(told.too_slow.get(), number + 1);
            reading.cancel();
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(*told.errors.borrow(), Vec::<String>::new());
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_client_that_is_slow_but_steady_gets_all_and_one_for_whom_there_is_nothing_may_wait() -> Result<()>
{
    let (told, (sender, door)) = (Told::default(), Door::new());
    let server = told.server();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, async |request| told.answer(request).await).await });
        let (mut client, stream) = lockstep_stream_pair();
        sender.send(stream).await?;
        client.send(GET.replace("/ ", "/later ")).await?;
        let mut all = String::new();
        while !all.ends_with("0\r\n\r\n") {
            all.push_str(&receive_until(&mut client, "\r\n").await?);
        }
        assert_eq!(all.matches("later").count(), 3);
        client.send(GET.replace("/ ", "/whole ")).await?;
        let begun = receive_until(&mut client, "\r\n\r\n").await?;
        let mut left = 1_000_000 - (begun.len() - begun.find("\r\n\r\n").unwrap() - 4);
        while left > 0 {
            sleep(10 * SECOND).await?;
            // What is sent on such a stream has left when all of it was received.
            let mut now = 16 * 1024;
            while now > 0 && left > 0 {
                let chunk = client.receive_at_most(now).await?.expect("it goes on");
                now -= chunk.len();
                left -= chunk.len();
            }
        }
        client.send(GET).await?;
        receive_until(&mut client, "hello").await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().send_timed_out, 0);
    Ok(())
}

/// Says of a stream how many bytes the other side has acknowledged.
struct Telling(UnixReceiveHalf, Rc<Cell<u64>>);

impl ByteReceiveStream for Telling {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        ByteReceiveStream::receive(&mut self.0).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        ByteReceiveStream::receive_at_most(&mut self.0, max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        ByteReceiveStream::receive_into(&mut self.0, buffer).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        self.0.poll_receive(cx)
    }
}

impl Attributes for Telling {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide::<Acknowledged>(|| self.1.get());
    }
}

#[anyio::test(clock = "virtual")]
async fn what_a_client_has_acknowledged_counts_also_where_the_system_has_no_room_yet() -> Result<()> {
    let (told, (sender, door)) =
        (Told::default(), Door::<StapledByteStream<LockstepByteSendHalf, Telling>>::new());
    let server = told.server();
    let acknowledged = Rc::new(Cell::new(0));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, async |request| told.answer(request).await).await });
        let (mut client, stream) = lockstep_stream_pair();
        let (asking, asked) = UnixStream::pair()?;
        let receive = Telling(asked.split().0, acknowledged.clone());
        sender.send(StapledByteStream::new(stream.split().1, receive)).await?;
        asking.send(GET.replace("/ ", "/floods ")).await?;
        receive_until(&mut client, "\r\n\r\n").await?;
        for _ in 0..100 {
            sleep(10 * SECOND).await?;
            acknowledged.set(acknowledged.get() + 13 * RATE);
            assert_eq!(server.statistics().connections, 1);
        }
        let time = time_to_the_end(&server).await?;
        assert!(time <= 2 * LIMIT + 2 * SECOND, "{time:?}");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!((told.too_slow.get(), told.cleaned_up.get()), (1, 1));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_client_of_the_network_that_reads_nothing_is_ended() -> Result<()> {
    let told = Told::default();
    let server = told.server();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let certificate = Certificate::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&listener, async |request| told.answer(request).await).await });
        let client = TcpStream::connect(address).await?;
        client.send(GET.replace("/ ", "/floods ")).await?;
        while server.statistics().requests == 0 {
            sleep(SECOND).await?;
        }
        let time = time_to_the_end(&server).await?;
        assert!(time <= 2 * LIMIT + 2 * SECOND, "{time:?}");
        assert_eq!((told.too_slow.get(), told.cleaned_up.get()), (1, 1));

        // By TLS as well.
        let encrypted = TlsListener::new(TcpListener::bind("127.0.0.1:0").await?, certificate.server(&[]));
        let address = encrypted.get_ref().local_addr()?;
        task_group(async |inner| -> Result<()> {
            inner.start_soon(async {
                server.serve(&encrypted, async |request| told.answer(request).await).await
            });
            let options = TlsOptions::client(Arc::new(certificate.client()), "localhost")?;
            let client = TlsStream::wrap(TcpStream::connect(address).await?, &options).await?;
            client.send(GET.replace("/ ", "/floods ")).await?;
            while server.statistics().requests == 0 {
                sleep(SECOND).await?;
            }
            let time = time_to_the_end(&server).await?;
            assert!(time <= 2 * LIMIT + 2 * SECOND, "{time:?}");
            inner.cancel();
            Ok(())
        })
        .await?;
        assert_eq!((told.too_slow.get(), told.cleaned_up.get()), (2, 2));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_stream_whose_window_stays_closed_is_ended_and_others_of_its_connection_go_on() -> Result<()> {
    let (told, meeting) = (Told::default(), Meeting::new());
    let server = told.server();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, async |request| told.answer(request).await).await });
        let (mut sender, connection) = http2::Builder::new(GroupExecutor(tg))
            .timer(HyperTimer)
            .initial_stream_window_size(40_000)
            .keep_alive_interval(5 * SECOND)
            .keep_alive_while_idle(true)
            .handshake::<_, Full<Bytes>>(HyperIo::new(meeting.connect()))
            .await
            .unwrap();
        tg.start_soon(async { drop(connection.await) });
        let begun = current_time();
        let mut slow = sender.send_request(get("http://h/floods")).await.unwrap().into_body();
        while told.cleaned_up.get() == 0 {
            let answer = sender.send_request(get("http://h/")).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
            sleep(SECOND).await?;
        }
        let time = current_time() - begun;
        assert!(LIMIT <= time && time <= 2 * LIMIT + 3 * SECOND, "{time:?}");
        assert_eq!(told.too_slow.get(), 1);
        // What was on its way is there, and then comes the reset.
        let error = loop {
            if let Err(error) = slow.frame().await.expect("it has no end") {
                break error;
            }
        };
        assert!(error.to_string().contains("error"), "{error}");
        // One that is read slowly but steadily, and one that has nothing to send, stay.
        let mut later = sender.send_request(get("http://h/later")).await.unwrap().into_body();
        let mut steady = sender.send_request(get("http://h/floods")).await.unwrap().into_body();
        for _ in 0..60 {
            sleep(10 * SECOND).await?;
            steady.frame().await.unwrap().unwrap();
        }
        drop(steady);
        for _ in 0..3 {
            assert_eq!(later.frame().await.unwrap().unwrap().into_data().unwrap(), "later");
        }
        assert_eq!(server.statistics().send_timed_out, 1);
        assert_eq!(server.statistics().accepted_connections, 1);
        sender.send_request(get("http://h/")).await.unwrap();
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_stream_whose_body_is_all_with_the_protocol_ends_its_connection() -> Result<()> {
    let (told, meeting) = (Told::default(), Meeting::new());
    let server = told.server().grace(5 * SECOND);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, async |request| told.answer(request).await).await });
        let (mut sender, connection) = http2::Builder::new(GroupExecutor(tg))
            .initial_stream_window_size(1)
            .handshake::<_, Full<Bytes>>(HyperIo::new(meeting.connect()))
            .await
            .unwrap();
        tg.start_soon(async { drop(connection.await) });
        let slow = sender.send_request(get("http://h/whole")).await.unwrap();
        let time = time_to_the_end(&server).await?;
        assert!(LIMIT <= time && time <= 2 * LIMIT + 6 * SECOND, "{time:?}");
        assert_eq!((told.too_slow.get(), server.statistics().send_timed_out), (1, 1));
        assert!(slow.into_body().collect().await.is_err());
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_a_connection_has_become_may_be_read_as_slowly_as_it_likes() -> Result<()> {
    let (told, (sender, door)) = (Told::default(), Door::new());
    let server = told.server();
    let handler = async |mut request: Request<RequestBody>| {
        let write = async |mut stream: anyio_http::UpgradedStream| {
            drop(stream.write_all(&[7; 1_000_000]).await);
            drop(stream.close().await);
        };
        on_upgrade(&mut request, write).unwrap();
        let mut answer = text("");
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert(UPGRADE, "bytes".parse().unwrap());
        anyio::Ok(answer)
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&door, handler).await });
        let (mut client, stream) = lockstep_stream_pair();
        sender.send(stream).await?;
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: bytes\r\n\r\n").await?;
        assert_eq!(status(&receive_until(&mut client, "\r\n\r\n").await?), "101");
        sleep(20 * LIMIT).await?;
        let mut count = 0;
        while let Some(chunk) = client.receive().await? {
            count += chunk.len();
        }
        assert_eq!(count, 1_000_000);
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!((told.too_slow.get(), server.statistics().send_timed_out), (0, 0));
    Ok(())
}
