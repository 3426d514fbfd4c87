//! gRPC by tonic as its documentation has it: messages of a stream come out of a channel that a task fills.

use std::{net::Ipv4Addr, pin::Pin};

use futures_util::{Stream, stream};
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

use super::runtime;
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

/// As few messages wait for their client as a channel can hold.
const WAITING: usize = 1;

struct Service;

type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

#[tonic::async_trait]
impl Greeter for Service {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(reply(&request.get_ref().name, 1)))
    }

    type SayManyTimesStream = Replies;

    async fn say_many_times(&self, request: Request<HelloRequest>) -> Result<Response<Replies>, Status> {
        let HelloRequest { name, times, .. } = request.into_inner();
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            for number in 1..=times {
                if sender.send(Ok(reply(&name, number))).await.is_err() {
                    break;
                }
            }
        });
        let replies = stream::unfold(receiver, async |mut receiver| {
            let reply = receiver.recv().await?;
            Some((reply, receiver))
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn greet_all(&self, _: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status> {
        Err(Status::unimplemented("nobody measures that"))
    }

    type ConverseStream = Replies;

    async fn converse(&self, _: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        Err(Status::unimplemented("nobody measures that"))
    }
}

pub(super) fn serve(ready: Ready) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(GreeterServer::new(Service)).serve_with_incoming(incoming).await?;
        Ok(())
    })
}
