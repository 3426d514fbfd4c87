//! A listener for clients in the same run, whose streams are memory: so on a virtual clock all time-outs are exact.

use anyio::{
    Result,
    streams::{Listener, memory},
    testing::{MemoryByteStream, memory_stream_pair},
};

pub(crate) struct Meeting {
    sender: memory::SendStream<MemoryByteStream>,
    receiver: memory::ReceiveStream<MemoryByteStream>,
}

impl Meeting {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = memory::channel(usize::MAX);
        Self { sender, receiver }
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
