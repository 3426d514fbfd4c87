//! Calls over TLS.

use crate::{
    certificate::Certificate,
    greeter::greeter_client::GreeterClient,
    trial::{Trial, request},
};
use anyio::{Result, net::TcpListener, streams::tls::TlsListener, task_group};
use anyio_http::{ClientOptions, Server};
use anyio_tonic::{Channel, OrError, grpc};
use tonic::Code;

#[anyio::test]
async fn calls_go_over_tls_and_strangers_are_not_trusted() -> Result<()> {
    let certificate = Certificate::new();
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://localhost:{}", tcp.local_addr()?.port());
    let listener = TlsListener::new(tcp, certificate.server(&["h2"]));
    let (trial, _events) = Trial::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, grpc(trial.server())).await });
        let trusting = async |certificate: &Certificate| {
            let options = ClientOptions::new().only_http2(true).tls(certificate.client());
            options
                .run(async |client| -> Result<_> {
                    let mut client = GreeterClient::new(Channel::new(client.clone(), &url)?);
                    Ok(client.say_hello(request("Ada")).await)
                })
                .await
        };
        assert_eq!(trusting(&certificate).await?.or_error()?.into_inner().message, "Hello, Ada!");
        let status = trusting(&Certificate::new()).await?.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("certificate"), "{status}");
        // Not encrypted, there is nobody to talk to.
        let plain = Channel::run(url.replace("https", "http"), async |channel| -> Result<_> {
            Ok(GreeterClient::new(channel.clone()).say_hello(request("Ada")).await.unwrap_err())
        });
        assert_eq!(plain.await?.code(), Code::Unavailable);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
