//! A server that greets, and a client that asks it, in one program. Without arguments both run, and the program ends; with
//! `serve ADDRESS` only the server runs, until Ctrl-C, and with `ask URL [NAME]` only the client.

#[allow(missing_docs, unreachable_pub)]
#[path = "../proto/greeter.rs"]
mod greeter;

use anyio::{Builder, Interrupt, Result, net::TcpListener, task_group};
use anyio_http::Server;
use anyio_tonic::{Channel, MessageStream, OrError, OrStatus, grpc, local, produce, produce_requests};
use greeter::{
    HelloReply, HelloRequest,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};
use std::time::Duration;
use tonic::{Request, Response, Status, Streaming, service::Routes};

struct MyGreeter;

fn reply(message: String, number: u32) -> HelloReply {
    HelloReply { message, number, ..HelloReply::default() }
}

#[local]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        anyio::sleep(Duration::from_millis(10)).await.or_status()?;
        Ok(Response::new(reply(format!("Hello, {}!", request.get_ref().name), 1)))
    }

    type SayManyTimesStream = MessageStream<HelloReply>;

    async fn say_many_times(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<Self::SayManyTimesStream>, Status> {
        let HelloRequest { name, times, .. } = request.into_inner();
        Ok(Response::new(produce(async move |replies| {
            for number in 1..=times {
                replies.send(reply(format!("Hello, {name}!"), number)).await?;
                anyio::sleep(Duration::from_millis(10)).await.or_status()?;
            }
            Ok(())
        })))
    }

    async fn greet_all(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<HelloReply>, Status> {
        let mut requests = request.into_inner();
        let mut names = Vec::new();
        while let Some(request) = requests.message().await? {
            names.push(request.name);
        }
        Ok(Response::new(reply(format!("Hello, {}!", names.join(" and ")), names.len() as u32)))
    }

    type ConverseStream = MessageStream<HelloReply>;

    async fn converse(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let mut requests = request.into_inner();
        Ok(Response::new(produce(async move |replies| {
            let mut number = 0;
            while let Some(request) = requests.message().await? {
                number += 1;
                replies.send(reply(format!("Hello, {}!", request.name), number)).await?;
            }
            Ok(())
        })))
    }
}

async fn serve(listener: &TcpListener) -> Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<GreeterServer<MyGreeter>>().await;
    let mut routes = Routes::new(GreeterServer::new(MyGreeter)).add_service(health);
    #[cfg(feature = "reflection")]
    {
        let descriptions =
            [&include_bytes!("../proto/greeter.bin")[..], tonic_health::pb::FILE_DESCRIPTOR_SET];
        let reflection =
            anyio_tonic::reflection::Reflection::new(descriptions).map_err(std::io::Error::other)?;
        routes = routes.add_service(reflection.v1()).add_service(reflection.v1alpha());
    }
    println!("serving on {}", listener.local_addr()?);
    Server::new().serve(listener, grpc(routes)).await?;
    Ok(())
}

fn request(name: &str) -> HelloRequest {
    HelloRequest { name: name.to_owned(), times: 3, ..HelloRequest::default() }
}

async fn ask(server: &str, name: &str) -> Result<()> {
    Channel::run(server, async |channel| {
        let mut client = GreeterClient::new(channel.clone());
        let mut question = Request::new(request(name));
        question.set_timeout(Duration::from_secs(5));
        println!("{}", client.say_hello(question).await.or_error()?.into_inner().message);

        let mut replies = client.say_many_times(request(name)).await.or_error()?.into_inner();
        while let Some(reply) = replies.message().await.or_error()? {
            println!("{}: {}", reply.number, reply.message);
        }

        let names = [name.to_owned(), "Grace".to_owned()];
        let requests = produce_requests(async move |requests| {
            for name in names {
                requests.send_request(request(&name)).await?;
            }
            Ok(())
        });
        println!("{}", client.greet_all(requests).await.or_error()?.into_inner().message);
        Ok(())
    })
    .await
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Builder::new().interrupt(Interrupt::Finish(Duration::from_secs(10))).run(
        async || match arguments[..] {
            [] => {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let url = format!("http://{}", listener.local_addr()?);
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(serve(&listener));
                    ask(&url, "Ada").await?;
                    tg.cancel();
                    Ok(())
                })
                .await?;
                Ok(())
            }
            ["serve", address] => serve(&TcpListener::bind(address).await?).await,
            ["ask", url] => ask(url, "Ada").await,
            ["ask", url, name] => ask(url, name).await,
            _ => {
                eprintln!("usage: greeter [serve ADDRESS | ask URL [NAME]]");
                std::process::exit(2);
            }
        },
    )?
}
