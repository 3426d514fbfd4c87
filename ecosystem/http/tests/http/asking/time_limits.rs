//! How long things may take, on a virtual clock.

use super::options;
use crate::{client::receive_until, meeting::Meeting};
use anyio::{
    Error, Result, current_time, fail_after, sleep,
    streams::{ByteSendStream, Listener},
    task_group,
};
use anyio_http::{ClientErrorKind, RequestBody, Server};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::{rc::Rc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[anyio::test(clock = "virtual")]
async fn a_request_is_limited_in_all_its_parts_together() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        // Two seconds for the head, and one for each byte of the body.
        tg.start_soon(async {
            loop {
                let mut stream = meeting.accept().await?;
                tg.start_soon(async move {
                    receive_until(&mut stream, "\r\n\r\n").await?;
                    sleep(2 * SECOND).await?;
                    // The client may have given up.
                    for letter in [
                        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
                        "h",
                        "e",
                        "l",
                        "l",
                        "o",
                    ] {
                        if stream.send(letter).await.is_err() {
                            break;
                        }
                        sleep(SECOND).await?;
                    }
                    anyio::Ok(())
                });
            }
            #[expect(unreachable_code, reason = "says of which type the errors are")]
            anyio::Ok(())
        });
        let client = options(&meeting).in_group(tg);
        let limited = async |limit: Duration| -> Result<_> {
            let begun = current_time();
            let text = async { client.get("http://h/").timeout(limit).send().await?.text().await }.await;
            Ok((text.map_err(|error| error.kind()), current_time() - begun))
        };
        assert_eq!(limited(SECOND).await?, (Err(ClientErrorKind::TimedOut), SECOND));
        assert_eq!(limited(4 * SECOND).await?, (Err(ClientErrorKind::TimedOut), 4 * SECOND));
        assert_eq!(limited(8 * SECOND).await?, (Ok("hello".into()), 7 * SECOND));
        // And by a scope.
        let begun = current_time();
        let text = async { Ok(client.get("http://h/").send().await?.text().await?) };
        let limited: Result<String> = fail_after(3 * SECOND, text).await;
        assert!(matches!(limited, Err(Error::TimedOut(_))), "{limited:?}");
        assert_eq!(current_time() - begun, 3 * SECOND);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_body_that_is_there_does_not_put_off_the_limit() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let answer = async |_| Ok::<_, Error>(Response::new("hello".to_owned()));
            Server::new().serve(&*meeting, answer).await
        });
        let client = options(&meeting).in_group(tg);
        for is_read in [true, false] {
            let mut answer = client.get("http://h/").timeout(3 * SECOND).send().await?;
            if is_read {
                // What has ended in time stays so.
                assert_eq!(answer.chunk().await?.unwrap(), "hello");
                assert!(answer.chunk().await?.is_none());
                sleep(5 * SECOND).await?;
                assert!(answer.chunk().await?.is_none());
            } else {
                sleep(5 * SECOND).await?;
                assert_eq!(answer.chunk().await.unwrap_err().kind(), ClientErrorKind::TimedOut);
            }
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_request_body_that_does_not_come_is_given_up_in_time() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let server = Server::new().request_timeout(3 * SECOND);
    let reads = async |request: Request<RequestBody>| {
        let body = request.into_body().collect().await.map_err(std::io::Error::other)?;
        Ok::<_, Error>(Response::new(String::from_utf8(body.to_bytes().to_vec()).unwrap()))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&*meeting, reads).await });
        let mut client = meeting.connect();
        let begun = current_time();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel").await?;
        assert!(receive_until(&mut client, "\r\n\r\n").await?.starts_with("HTTP/1.1 503"));
        assert_eq!(current_time() - begun, 3 * SECOND);
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().timed_out, 1);
    Ok(())
}
