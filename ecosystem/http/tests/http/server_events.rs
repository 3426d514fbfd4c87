//! Server-sent events.

use crate::{asking::options, meeting::Meeting};
use anyio::{Result, current_time, sleep, streams::memory, task_group};
use anyio_http::{
    Server,
    axum::{events, local, produce_events},
    tower,
};
use axum::{
    Router,
    response::sse::{Event, Sse},
    routing::get,
};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Counts how many producers there are.
struct Present(Rc<Cell<i32>>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[anyio::test(clock = "virtual")]
async fn events_come_as_they_are_produced_until_the_client_goes() -> Result<()> {
    let (meeting, producers) = (Rc::new(Meeting::new()), Rc::new(Cell::new(0)));
    let state = anyio::OnThread::new(producers.clone());
    let tick = local(async move || {
        let producers = Rc::clone(&state);
        producers.set(producers.get() + 1);
        Sse::new(produce_events(async move |events| {
            let _present = Present(producers);
            for n in 0.. {
                events.send(Event::default().event("tick").id(n.to_string()).data(format!("a\n{n}"))).await?;
                sleep(SECOND).await?;
            }
            Ok(())
        }))
    });
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new().route("/", get(tick));
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        for only_http2 in [false, true] {
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            let mut answer = client.get("http://h/").send().await?;
            assert_eq!(answer.headers()["content-type"], "text/event-stream");
            let begun = current_time();
            for n in 0..5 {
                let event = answer.chunk().await?.unwrap();
                assert_eq!(event, format!("event: tick\nid: {n}\ndata: a\ndata: {n}\n\n"));
                assert_eq!(current_time() - begun, n * SECOND);
            }
            assert_eq!(producers.get(), 1);
            drop(answer);
            sleep(2 * SECOND).await?;
            assert_eq!(producers.get(), 0);
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_silent_stream_is_kept_alive_and_has_an_end() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let (sender, receiver) = memory::channel(0);
    let stories = anyio::OnThread::new(Rc::new(RefCell::new(Some(receiver))));
    let news =
        local(async move || Sse::new(events(stories.borrow_mut().take().unwrap()).keep_alive(10 * SECOND)));
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new().route("/", get(news));
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        let client = options(&meeting).in_group(tg);
        let mut answer = client.get("http://h/").send().await?;
        let begun = current_time();
        tg.start_soon(async move {
            sleep(25 * SECOND).await?;
            sender.send(Event::default().data("news")).await?;
            Ok(sleep(12 * SECOND).await?)
        });
        let mut seen = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            seen.push((String::from_utf8(chunk.to_vec()).unwrap(), (current_time() - begun).as_secs()));
        }
        let silence = ": \n\n".to_owned();
        let expected =
            [(silence.clone(), 10), (silence.clone(), 20), ("data: news\n\n".into(), 25), (silence, 35)];
        assert_eq!(seen, expected);
        assert_eq!(current_time() - begun, 37 * SECOND);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_was_sent_before_a_producer_fails_comes() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let fails = local(async || {
        let produced = produce_events(async |events| {
            events.send(Event::default().data("the last one")).await?;
            Err(anyio::Error::EndOfStream)
        });
        // Each on its own, as a broken connection loses what is on its way.
        Sse::new(Slowly { events: produced, sleep: anyio::OnThread::new(Box::pin(sleep(SECOND))) })
    });
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new().route("/", get(fails));
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        for only_http2 in [false, true] {
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            let mut answer = client.get("http://h/").send().await?;
            assert_eq!(answer.chunk().await?.unwrap(), "data: the last one\n\n");
            assert!(answer.chunk().await.is_err());
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// A second between two events.
struct Slowly<S> {
    events: S,
    sleep: anyio::OnThread<std::pin::Pin<Box<anyio::Sleep>>>,
}

impl<S: futures_core::Stream + Unpin> futures_core::Stream for Slowly<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if ready!(Pin::new(&mut *self.sleep).poll(cx)).is_err() {
            return Poll::Pending;
        }
        let item = ready!(Pin::new(&mut self.events).poll_next(cx));
        self.sleep.set(sleep(SECOND));
        Poll::Ready(item)
    }
}
