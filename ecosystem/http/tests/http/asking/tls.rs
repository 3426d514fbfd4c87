//! Over TLS.

use super::Door;
use crate::{certificate::Certificate, client::text, meeting::Meeting};
use anyio::{Result, current_time, net::TcpListener, streams::tls::TlsListener, task_group};
use anyio_http::{ClientErrorKind, ClientOptions, Proxies, RequestBody, Server};
use http::{Request, Version};
use std::{rc::Rc, time::Duration};

#[anyio::test]
async fn both_sides_choose_the_version_and_whom_to_trust() -> Result<()> {
    let certificate = Certificate::new();
    let say = async |request: Request<RequestBody>| anyio::Ok(text(format!("{:?}", request.version())));
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let port = tcp.local_addr()?.port();
        let listener = TlsListener::new(tcp, certificate.server(protocols));
        let server = Server::new();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { server.serve(&listener, &say).await });
            let options = ClientOptions::new().proxies(Proxies::none()).tls(certificate.client());
            options
                .run(async |client| {
                    for _ in 0..3 {
                        let answer = client.get(format!("https://localhost:{port}/")).send().await?;
                        assert_eq!(answer.version(), version);
                        assert_eq!(answer.text().await?, format!("{version:?}"));
                    }
                    assert_eq!(server.statistics().accepted_connections, 1);
                    // Its certificate is for another name.
                    let error = client.get(format!("https://127.0.0.1:{port}/")).send().await.unwrap_err();
                    assert_eq!(error.kind(), ClientErrorKind::Connect);
                    anyio::Ok(())
                })
                .await?;
            let strangers = ClientOptions::new().proxies(Proxies::none()).tls(Certificate::new().client());
            let error = strangers
                .run(async |client| {
                    anyio::Ok(client.get(format!("https://localhost:{port}/")).send().await.unwrap_err())
                })
                .await?;
            assert_eq!(error.kind(), ClientErrorKind::Connect);
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_server_that_says_nothing_is_given_up_in_time() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let options = ClientOptions::new()
        .tls(Certificate::new().client())
        .connect_timeout(Duration::from_secs(7))
        .connect_to(Door(meeting.clone()));
    options
        .run(async |client| {
            let begun = current_time();
            let error = client.get("https://localhost/").send().await.unwrap_err();
            assert_eq!(error.kind(), ClientErrorKind::TimedOut);
            assert_eq!(current_time() - begun, Duration::from_secs(7));
            anyio::Ok(())
        })
        .await
}
