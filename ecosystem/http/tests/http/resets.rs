//! Clients of HTTP/2 that ask and take it back at once.

use crate::{
    client::{body_of, get, http2, text},
    meeting::Meeting,
};
use anyio::{Result, foreign, lowlevel::checkpoint, shield, sleep, sleep_forever, sync::Event, task_group};
use anyio_http::{ProducedBody, RequestBody, Server, produce_body};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

/// How many run at the same time, and how many did at most.
#[derive(Default)]
struct Running {
    now: Cell<usize>,
    most: Cell<usize>,
    begun: Event,
}

impl Running {
    /// Waits for ever, and takes its time to clean up.
    async fn run(&self) -> Result<()> {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
        self.begun.set();
        let cancelled = sleep_forever().await;
        shield(sleep(Duration::from_secs(1))).await?;
        self.now.set(self.now.get() - 1);
        Err(cancelled.into())
    }
}

#[anyio::test(clock = "virtual")]
async fn requests_that_are_reset_count_until_they_have_cleaned_up() -> Result<()> {
    let (running, meeting) = (Running::default(), Meeting::new());
    let server = Server::new().max_streams(8);
    let handler = async |request: Request<RequestBody>| -> Result<Response<Full<Bytes>>> {
        if request.uri().path() == "/wait" {
            running.run().await?;
        }
        Ok(text("well"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        let mut sender = http2(tg, meeting.connect()).await;
        for _ in 0..100 {
            let mut answer = pin!(sender.send_request(get("http://h/wait")));
            for _ in 0..8 {
                assert!(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_pending())).await);
                checkpoint().await?;
            }
        }
        assert_eq!(running.most.get(), 8);
        // Who asks for something that ends gets it, when there is room.
        assert_eq!(body_of(foreign(sender.send_request(get("http://h/"))).await?.unwrap()).await, "well");
        while running.now.get() > 0 {
            sleep(Duration::from_secs(1)).await?;
        }
        assert_eq!(running.most.get(), 8);
        assert_eq!(server.statistics().requests, 0);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn bodies_that_are_reset_count_until_they_have_cleaned_up() -> Result<()> {
    let running = Rc::new(Running::default());
    let meeting = Meeting::new();
    let server = Server::new().max_streams(8);
    let handler = async |_: Request<RequestBody>| -> Result<Response<ProducedBody>> {
        let running = running.clone();
        Ok(produce_body(Response::new(()), async move |_body| running.run().await))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        let mut sender = http2(tg, meeting.connect()).await;
        for _ in 0..50 {
            let answer = foreign(sender.send_request(get("http://h/"))).await?.unwrap();
            checkpoint().await?;
            drop(answer);
            checkpoint().await?;
        }
        assert!(running.most.get() <= 8, "{}", running.most.get());
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
