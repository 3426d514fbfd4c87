//! gRPC by tonic and `anyio-tonic`.

use std::net::Ipv4Addr;

use anyio::{Builder, net::TcpListener};
use anyio_http::Server;
use anyio_tonic::{MessageStream, grpc, local, produce};
use tonic::{Request, Response, Status, Streaming, service::Routes};

use crate::measuring::{
    ready::Ready,
    tonic::{
        greeter::{
            HelloReply, HelloRequest,
            greeter_server::{Greeter, GreeterServer},
        },
        reply,
    },
};

struct Service;

#[local]
impl Greeter for Service {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(reply(&request.get_ref().name, 1)))
    }

    type SayManyTimesStream = MessageStream<HelloReply>;

    async fn say_many_times(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<Self::SayManyTimesStream>, Status> {
        let HelloRequest { name, times, .. } = request.into_inner();
        Ok(Response::new(produce(async move |replies| {
            for number in 1..=times {
                replies.send(reply(&name, number)).await?;
            }
            Ok(())
        })))
    }

    async fn greet_all(&self, _: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status> {
        Err(Status::unimplemented("nobody measures that"))
    }

    type ConverseStream = MessageStream<HelloReply>;

    async fn converse(
        &self,
        _: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        Err(Status::unimplemented("nobody measures that"))
    }
}

pub(super) fn serve(builder: Builder, ready: Ready) -> anyhow::Result<()> {
    builder.run(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        Server::new().serve(&listener, grpc(Routes::new(GreeterServer::new(Service)))).await?;
        Ok(())
    })?
}
