//! A server and its clients in the same run, whose streams are memory: so on a virtual clock all time-outs are exact.

use crate::trial::{Events, Trial};
use anyio::{
    Error, Result, TaskGroup,
    streams::{Connectable, Listener, memory},
    task_group,
    testing::{MemoryByteStream, memory_stream_pair},
};
use anyio_http::{ClientOptions, Server};
use anyio_tonic::{Channel, grpc};
use std::rc::Rc;

pub(crate) struct Meeting {
    sender: memory::SendStream<MemoryByteStream>,
    receiver: memory::ReceiveStream<MemoryByteStream>,
}

impl Meeting {
    pub(crate) fn new() -> Rc<Self> {
        let (sender, receiver) = memory::unbounded();
        Rc::new(Self { sender, receiver })
    }

    pub(crate) fn connect(&self) -> MemoryByteStream {
        let (client, server) = memory_stream_pair();
        self.sender.send_nowait(server).unwrap();
        client
    }
}

impl Listener for Meeting {
    type Stream = MemoryByteStream;

    async fn accept(&self) -> Result<MemoryByteStream> {
        Ok(self.receiver.receive().await?.expect("the sender lives as long"))
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

struct Door(Rc<Meeting>);

impl Connectable for Door {
    type Stream = MemoryByteStream;

    async fn connect(&self) -> Result<MemoryByteStream> {
        Ok(self.0.connect())
    }
}

pub(crate) fn channel<'scope>(
    group: &'scope TaskGroup<'scope, '_, Error>,
    meeting: &Rc<Meeting>,
) -> Result<Channel> {
    let options = ClientOptions::new().only_http2(true).connect_to(Door(meeting.clone()));
    Channel::new(options.in_group(group), "http://trial")
}

/// Runs a body with a server beside it, the meeting where that is reached, and what is told of what happens there.
pub(crate) async fn beside_server(body: impl AsyncFnOnce(&Rc<Meeting>, &Events) -> Result<()>) -> Result<()> {
    let (trial, events) = Trial::new();
    let meeting = Meeting::new();
    let at_server = meeting.clone();
    let ended = task_group(async |tg| -> Result<()> {
        let server = tg.start_soon(async {
            // Streams are read as slowly as it takes.
            let server =
                Server::new().send_timeout(None).on_error(|error| trial.note(&format!("error: {error}")));
            server.serve(&*at_server, grpc(trial.clone().server())).await
        });
        body(&meeting, &events).await?;
        assert!(!server.is_finished(), "nothing that clients do ends a server");
        tg.cancel();
        Ok(())
    })
    .await;
    ended.map(|_| ()).map_err(|errors| errors.into_first())
}

/// The same with a channel.
pub(crate) async fn with_channel(body: impl AsyncFnOnce(&Channel, &Events) -> Result<()>) -> Result<()> {
    beside_server(async |meeting, events| {
        let ended = task_group(async |tg| -> Result<()> {
            let channel = channel(tg, meeting)?;
            body(&channel, events).await?;
            tg.cancel();
            Ok(())
        })
        .await;
        ended.map(|_| ()).map_err(|errors| errors.into_first())
    })
    .await
}
