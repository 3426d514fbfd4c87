//! Streams of objects without promises.

use anyio::{
    Error, Result,
    streams::{
        AttributeRequest, Attributes, BoxedUnreliableObjectReceiveStream, BoxedUnreliableObjectSendStream,
        BoxedUnreliableObjectStream, Unreliable, UnreliableObjectReceiveStream, UnreliableObjectSendStream,
        UnreliableObjectStream, memory,
    },
};
use std::collections::VecDeque;

/// Forgets every other number, and gives the others out backwards.
#[derive(Default)]
struct Lossy(VecDeque<u32>, bool);

impl UnreliableObjectReceiveStream for Lossy {
    type Item = u32;

    async fn receive(&mut self) -> Result<Option<u32>> {
        Ok(self.0.pop_back())
    }
}

impl UnreliableObjectSendStream<u32> for Lossy {
    async fn send(&mut self, item: u32) -> Result<()> {
        self.1 = !self.1;
        if self.1 {
            self.0.push_back(item);
        }
        Ok(())
    }
}

impl Attributes for Lossy {
    fn provide(&self, _: &mut AttributeRequest<'_>) {}
}

async fn exchange(mut stream: impl UnreliableObjectStream<u32>) -> Result<Vec<u32>> {
    for item in 0..6 {
        stream.send(item).await?;
    }
    let mut received = Vec::new();
    while let Some(item) = stream.receive().await? {
        received.push(item);
    }
    Ok(received)
}

#[anyio::test]
async fn a_stream_may_lose_and_reorder_objects_also_in_a_box() -> Result<()> {
    assert_eq!(exchange(Lossy::default()).await?, [4, 2, 0]);
    assert_eq!(exchange(BoxedUnreliableObjectStream::new(Lossy::default())).await?, [4, 2, 0]);
    Ok(())
}

#[anyio::test]
async fn a_stream_with_promises_can_be_used_without_them() -> Result<()> {
    let (send, receive) = memory::channel::<u32>(4);
    let mut send = BoxedUnreliableObjectSendStream::new(Unreliable::new(send));
    let mut receive = BoxedUnreliableObjectReceiveStream::new(Unreliable::new(receive));
    send.send(7).await?;
    assert_eq!(receive.receive().await?, Some(7));
    drop(receive);
    assert!(matches!(send.send(8).await, Err(Error::BrokenResource(_))));
    Ok(())
}
