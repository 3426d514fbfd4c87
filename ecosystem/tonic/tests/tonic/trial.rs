//! A service that does what the name in a request, or the mode in the metadata, says.

use crate::greeter::{
    HelloReply, HelloRequest,
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};
use anyio::{
    OnThread, current_effective_deadline, current_time, shield, sleep, sleep_forever,
    streams::memory::{self, ReceiveStream, SendStream},
};
use anyio_tonic::{Channel, LocalStream, MessageStream, OrStatus, local, produce};
use futures_core::Stream;
use futures_util::stream::select_all;
use std::{cell::RefCell, pin::Pin, rc::Rc, time::Duration};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
};

#[derive(Clone)]
pub(crate) struct Trial {
    events: OnThread<SendStream<String>>,
    /// Whom the mode "asks" asks.
    pub(crate) next: Option<Channel>,
    /// Something that is not `Send`.
    greeted: OnThread<Rc<RefCell<Vec<String>>>>,
}

/// What has happened at the server, in its order.
pub(crate) struct Events(ReceiveStream<String>);

impl Events {
    pub(crate) async fn expect(&self, event: &str) -> anyio::Result<()> {
        assert_eq!(self.0.receive().await?.as_deref(), Some(event));
        Ok(())
    }

    /// Those that there are now, which are forgotten.
    pub(crate) fn all_now(&self) -> Vec<String> {
        std::iter::from_fn(|| self.0.receive_nowait().ok().flatten()).collect()
    }

    pub(crate) fn count_now(&self) -> usize {
        self.all_now().len()
    }
}

impl Trial {
    pub(crate) fn new() -> (Self, Events) {
        let (sender, receiver) = memory::unbounded();
        let trial = Self { events: OnThread::new(sender), next: None, greeted: OnThread::new(Rc::default()) };
        (trial, Events(receiver))
    }

    pub(crate) fn server(self) -> GreeterServer<Self> {
        GreeterServer::new(self)
    }

    pub(crate) fn note(&self, event: &str) {
        self.events.send_nowait(event.to_owned()).unwrap();
    }

    /// Waits until it is cancelled, and cleans up for a while.
    async fn wait(&self) -> Status {
        self.note("waits");
        let cancelled = Err::<(), _>(sleep_forever().await).or_status().unwrap_err();
        shield(sleep(Duration::from_millis(50))).await.unwrap();
        self.note("has cleaned up");
        cancelled
    }
}

pub(crate) fn request(name: &str) -> HelloRequest {
    HelloRequest { name: name.to_owned(), ..HelloRequest::default() }
}

fn reply(message: impl Into<String>, number: u32) -> HelloReply {
    HelloReply { message: message.into(), number, ..HelloReply::default() }
}

/// A request of several messages, of which the server is told what to do.
pub(crate) fn in_mode<T>(mode: &'static str, messages: T) -> Request<T> {
    let mut request = Request::new(messages);
    request.metadata_mut().insert("mode", MetadataValue::from_static(mode));
    request
}

fn mode(metadata: &MetadataMap) -> &str {
    metadata.get("mode").map_or("", |mode| mode.to_str().unwrap())
}

#[local]
impl Greeter for Trial {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let metadata = request.metadata().clone();
        let HelloRequest { name, times, .. } = request.into_inner();
        match name.as_str() {
            "waits" => Err(self.wait().await),
            "fails" => {
                let mut about = MetadataMap::new();
                about.insert("reason", "none".parse().unwrap());
                let details = b"\0details"[..].into();
                Err(Status::with_details_and_metadata(
                    Code::FailedPrecondition,
                    "no – not now",
                    details,
                    about,
                ))
            }
            "panics" => panic!("as it was told"),
            "large" => {
                Ok(Response::new(HelloReply { padding: vec![7; times as usize], ..HelloReply::default() }))
            }
            "deadline" => {
                let deadline = current_effective_deadline().or_status()?;
                let left = deadline.map(|at| at.duration_since(current_time()).as_millis() as u32);
                Ok(Response::new(reply(format!("{left:?}"), left.unwrap_or(0))))
            }
            "asks" => {
                let next = self.next.clone().expect("this one has somebody to ask");
                GreeterClient::new(next).say_hello(self::request("deadline")).await
            }
            _ => {
                sleep(Duration::from_millis(1)).await.or_status()?;
                self.greeted.borrow_mut().push(name.clone());
                let mut answer =
                    Response::new(reply(format!("Hello, {name}!"), self.greeted.borrow().len() as u32));
                if let Some(echo) = metadata.get("echo") {
                    answer.metadata_mut().insert("echo", echo.clone());
                }
                if let Some(echo) = metadata.get_bin("echo-bin") {
                    answer.metadata_mut().insert_bin("echo-bin", echo.clone());
                }
                Ok(answer)
            }
        }
    }

    // One may answer with any stream that is `Send`.
    type SayManyTimesStream = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

    async fn say_many_times(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<Self::SayManyTimesStream>, Status> {
        let HelloRequest { name, times, .. } = request.into_inner();
        let this = self.clone();
        if name == "merges" {
            let counting = |numbers: std::ops::Range<u32>| {
                produce(async move |replies| {
                    for number in numbers {
                        replies.send(reply("one of two", number)).await?;
                        sleep(Duration::from_millis(1)).await.or_status()?;
                    }
                    Ok(())
                })
            };
            return Ok(Response::new(Box::pin(select_all([counting(0..times), counting(100..100 + times)]))));
        }
        let replies = match name.as_str() {
            "floods" => produce(async move |replies| {
                for number in 0.. {
                    replies
                        .send(HelloReply { number, padding: vec![7; 16 * 1024], ..HelloReply::default() })
                        .await?;
                    this.note("sent");
                }
                Ok(())
            }),
            "waits" => produce(async move |replies| {
                replies.send(reply("the last one", 1)).await?;
                Err(this.wait().await)
            }),
            "panics" => produce(async move |replies| {
                replies.send(reply("the last one", 1)).await?;
                sleep(Duration::from_millis(1)).await.or_status()?;
                panic!("as it was told");
            }),
            "fails" => produce(async move |replies| {
                replies.send(reply("the last one", 1)).await?;
                Err(Status::data_loss("and no more"))
            }),
            // Its sender goes before it ends.
            "commits" => produce(async move |replies| {
                replies.send(reply("the last one", 1)).await?;
                drop(replies);
                sleep(Duration::from_millis(1)).await.or_status()?;
                this.note("has committed");
                Err(Status::data_loss("and no more"))
            }),
            // A stream of somebody else's that never ends.
            "stalls" => LocalStream::new(futures_pending()),
            _ => produce(async move |replies| {
                for number in 1..=times {
                    replies.send(reply(format!("Hello, {name}!"), number)).await?;
                    sleep(Duration::from_millis(1)).await.or_status()?;
                }
                Ok(())
            }),
        };
        Ok(Response::new(Box::pin(replies)))
    }

    async fn greet_all(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<HelloReply>, Status> {
        let mode = mode(request.metadata()).to_owned();
        let mut requests = request.into_inner();
        match mode.as_str() {
            // Without reading.
            "waits" => return Err(self.wait().await),
            "refuses" => {
                requests.message().await?;
                return Err(Status::resource_exhausted("enough"));
            }
            _ => {}
        }
        let mut names = Vec::new();
        loop {
            match requests.message().await {
                Ok(Some(request)) => names.push(request.name),
                Ok(None) => break,
                Err(status) => {
                    self.note(&format!("{:?} after {}", status.code(), names.len()));
                    return Err(status);
                }
            }
        }
        Ok(Response::new(reply(names.join(" "), names.len() as u32)))
    }

    type ConverseStream = MessageStream<HelloReply>;

    async fn converse(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let this = self.clone();
        let mode = mode(request.metadata()).to_owned();
        let mut requests = request.into_inner();
        Ok(Response::new(produce(async move |replies| {
            if mode == "waits" {
                // Without reading.
                replies.send(reply("the only one", 1)).await?;
                return Err(this.wait().await);
            }
            let mut number = 0;
            while let Some(request) = requests.message().await? {
                number += 1;
                replies.send(reply(format!("Hello, {}!", request.name), number)).await?;
            }
            Ok(())
        })))
    }
}

/// A stream that knows nothing of scopes, and gives nothing.
fn futures_pending<T>() -> impl futures_core::Stream<Item = T> {
    struct Nothing<T>(std::marker::PhantomData<T>);

    impl<T> futures_core::Stream for Nothing<T> {
        type Item = T;

        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            std::task::Poll::Pending
        }
    }

    Nothing(std::marker::PhantomData)
}
