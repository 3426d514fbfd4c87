//! tonic-health, as it is.

use crate::{
    greeter::greeter_server::GreeterServer,
    meeting::{Meeting, channel},
    trial::Trial,
};
use anyio::{Result, task_group};
use anyio_http::Server;
use anyio_tonic::{OrError, grpc};
use tonic::{Code, service::Routes};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[anyio::test]
async fn health_is_told_and_watched() -> Result<()> {
    let meeting = Meeting::new();
    let (trial, _events) = Trial::new();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<GreeterServer<Trial>>().await;
    task_group(async |tg| -> Result<()> {
        let routes = Routes::new(trial.server()).add_service(health);
        tg.start_soon(async { Server::new().serve(&*meeting, grpc(routes)).await });
        let mut client = HealthClient::new(channel(tg, &meeting)?);
        for service in ["", "greeter.Greeter"] {
            assert_eq!(client.check(about(service)).await.or_error()?.into_inner().status, 1);
        }
        assert_eq!(client.check(about("nobody")).await.unwrap_err().code(), Code::NotFound);

        let mut watched = client.watch(about("greeter.Greeter")).await.or_error()?.into_inner();
        assert_eq!(watched.message().await.or_error()?.unwrap().status, 1);
        for (status, number) in [(ServingStatus::NotServing, 2), (ServingStatus::Serving, 1)] {
            reporter.set_service_status("greeter.Greeter", status).await;
            assert_eq!(watched.message().await.or_error()?.unwrap().status, number);
        }
        drop(watched);
        assert_eq!(client.check(about("")).await.or_error()?.into_inner().status, 1);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
