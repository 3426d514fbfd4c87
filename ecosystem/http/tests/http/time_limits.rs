//! What takes too long, on a virtual clock.

use crate::{
    client::{GET, get, http2, receive_until, status, text},
    meeting::Meeting,
};
use anyio::{
    Result, current_time, sleep,
    streams::{ByteReceiveStream, ByteSendStream},
    task_group,
};
use anyio_http::{HyperTimer, RequestBody, Server};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::rt::Timer;
use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>> {
    Ok(text("hello"))
}

#[anyio::test(clock = "virtual")]
async fn clients_that_say_nothing_or_too_little_are_closed() -> Result<()> {
    let meeting = Meeting::new();
    let server = Server::new().handshake_timeout(2 * SECOND).header_timeout(5 * SECOND);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, hello).await });
        for (said, limit) in [("", 2), ("PR", 2), ("GET / HT", 5)] {
            let begun = current_time();
            let mut client = meeting.connect();
            if !said.is_empty() {
                client.send(said).await?;
            }
            while client.receive().await?.is_some() {}
            assert_eq!(current_time() - begun, limit * SECOND, "{said:?}");
        }
        // A byte now and then does not help.
        let begun = current_time();
        let mut client = meeting.connect();
        client.send("GET / HTTP/1.1\r\n").await?;
        while client.send("A: b\r\n").await.is_ok() {
            sleep(SECOND).await?;
        }
        assert!(current_time() - begun <= 7 * SECOND);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn idle_connections_are_closed_and_busy_ones_are_not() -> Result<()> {
    let meeting = Meeting::new();
    let server = Server::new().idle_timeout(10 * SECOND).header_timeout(None);
    let handler = async |request: Request<RequestBody>| -> Result<_> {
        if request.uri().path() == "/long" {
            sleep(100 * SECOND).await?;
        }
        Ok(text("done"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        let begun = current_time();
        let mut client = meeting.connect();
        client.send(GET).await?;
        receive_until(&mut client, "done").await?;
        assert!(client.receive().await?.is_none());
        let idle = current_time() - begun;
        assert!(10 * SECOND <= idle && idle <= 20 * SECOND, "{idle:?}");

        let begun = current_time();
        let mut client = meeting.connect();
        client.send(GET.replace("/ ", "/long ")).await?;
        receive_until(&mut client, "done").await?;
        assert_eq!(current_time() - begun, 100 * SECOND);
        // The time begins with the end of the request.
        let begun = current_time();
        assert!(client.receive().await?.is_none());
        let idle = current_time() - begun;
        assert!(10 * SECOND <= idle && idle <= 20 * SECOND, "{idle:?}");
        let mut sender = http2(tg, meeting.connect()).await;
        sender.send_request(get("http://h/long")).await.unwrap();
        while server.statistics().connections > 0 {
            sleep(SECOND).await?;
        }
        assert!(sender.ready().await.is_err());
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_request_that_takes_too_long_is_cancelled_and_answered() -> Result<()> {
    let (meeting, cancelled) = (Meeting::new(), Cell::new(0));
    let server = Server::new().request_timeout(3 * SECOND);
    let handler = async |_: Request<RequestBody>| -> Result<_> {
        if sleep(10 * SECOND).await.is_err() {
            cancelled.set(cancelled.get() + 1);
        }
        // Whatever it gives comes too late.
        Ok(text("late"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        let begun = current_time();
        let mut client = meeting.connect();
        client.send(GET).await?;
        let answer = receive_until(&mut client, "\r\n\r\n").await?;
        assert_eq!(status(&answer), "503");
        assert_eq!(current_time() - begun, 3 * SECOND);
        let mut sender = http2(tg, meeting.connect()).await;
        assert_eq!(sender.send_request(get("http://h/")).await.unwrap().status(), 503);
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!((cancelled.get(), server.statistics().timed_out), (2, 2));
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_handler_that_panics_as_its_time_is_over_has_panicked() -> Result<()> {
    let (meeting, told) = (Meeting::new(), RefCell::new(Vec::new()));
    let server =
        Server::new().request_timeout(3 * SECOND).on_error(|error| told.borrow_mut().push(error.to_string()));
    let handler = async |_: Request<RequestBody>| -> Result<Response<Full<Bytes>>> {
        sleep(10 * SECOND).await.expect("it has all the time");
        Ok(text("late"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        let mut client = meeting.connect();
        client.send(GET).await?;
        assert_eq!(status(&receive_until(&mut client, "\r\n\r\n").await?), "500");
        tg.cancel();
        Ok(())
    })
    .await?;
    let counts = server.statistics();
    assert_eq!((counts.panicked, counts.timed_out), (1, 0));
    assert!(told.borrow()[0].contains("it has all the time"), "{told:?}");
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_peer_that_gives_no_sign_of_life_is_given_up() -> Result<()> {
    let meeting = Meeting::new();
    let server = Server::new().keep_alive(10 * SECOND, 5 * SECOND).idle_timeout(None);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, hello).await });
        let begun = current_time();
        let mut client = meeting.connect();
        // The preface and empty settings, and then nothing.
        client.send(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..]).await?;
        while client.receive().await?.is_some() {}
        assert_eq!(current_time() - begun, 15 * SECOND);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn timers_go_off_by_the_clock_of_the_run_and_can_be_set_anew() -> Result<()> {
    let begun = current_time();
    HyperTimer.sleep(3600 * SECOND).await;
    assert_eq!(HyperTimer.now() - begun, 3600 * SECOND);
    let mut sleep = HyperTimer.sleep_until(current_time() + SECOND);
    let (memory, at) = (&raw const *sleep, current_time() + 5 * SECOND);
    HyperTimer.reset(&mut sleep, at);
    assert!(std::ptr::addr_eq(memory, &raw const *sleep));
    sleep.await;
    assert_eq!(current_time(), at);
    HyperTimer.sleep(Duration::ZERO).await;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_timer_in_a_cancelled_scope_does_not_go_off() -> Result<()> {
    let ended = anyio::move_on_after(SECOND, async {
        let mut timer = HyperTimer.sleep(5 * SECOND);
        let cancelled = anyio::foreign(&mut timer).await;
        assert!(cancelled.is_err());
        assert!(anyio::lowlevel::is_cancelled());
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(timer.as_mut().poll(cx).is_pending())).await;
        assert!(polled);
        anyio::shield(timer).await;
        cancelled?;
        anyio::Ok(())
    });
    assert!(ended.await?.is_none());
    Ok(())
}
