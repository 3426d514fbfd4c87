//! Closing what consists of several parts.

use anyio::{
    CancelScope, Chunk, Error, IoBuf, IoBufMut, Result,
    fs::FileWriteStream,
    net::{TcpListener, TcpListenerOptions},
    streams::{
        BoxedByteSendStream, BufferedByteStream, ByteReceiveStream, ByteSendStream, ByteStream, Listener,
        MultiListener, ObjectReceiveStream, ObjectSendStream, StapledByteStream, StapledObjectStream,
        TextStream, memory, objects::ObjectBytes,
    },
    testing::memory_stream_pair,
};
use std::{cell::RefCell, io, rc::Rc};

/// Notes that it is closed, and cannot say so without an error.
struct Noting {
    name: &'static str,
    closed: Rc<RefCell<Vec<&'static str>>>,
}

impl Noting {
    fn close(self) -> Result<()> {
        self.closed.borrow_mut().push(self.name);
        Err(Error::Io(io::Error::other(self.name)))
    }
}

impl ByteReceiveStream for Noting {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        Ok(None)
    }

    async fn receive_at_most(&mut self, _: usize) -> Result<Option<Chunk>> {
        Ok(None)
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        (Ok(0), buffer)
    }

    async fn close_receiving(self) -> Result<()> {
        self.close()
    }
}

impl ByteSendStream for Noting {
    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        (Ok(data.length()), data)
    }

    async fn close_sending(self) -> Result<()> {
        self.close()
    }
}

impl ObjectReceiveStream for Noting {
    type Item = i32;

    async fn receive(&mut self) -> Result<Option<i32>> {
        Ok(None)
    }

    async fn close_receiving(self) -> Result<()> {
        self.close()
    }
}

impl ObjectSendStream<i32> for Noting {
    async fn send(&mut self, _: i32) -> Result<()> {
        Ok(())
    }

    async fn send_eof(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close_sending(self) -> Result<()> {
        self.close()
    }
}

fn noting() -> (Noting, Noting, Rc<RefCell<Vec<&'static str>>>) {
    let closed = Rc::default();
    let noting = |name| Noting { name, closed: Rc::clone(&closed) };
    (noting("sending"), noting("receiving"), closed.clone())
}

fn assert_both_are_told(closed: Result<()>) {
    let Err(Error::Group(group)) = closed else { panic!("not two errors: {closed:?}") };
    let texts: Vec<String> = group.iter().map(Error::to_string).collect();
    assert_eq!(texts, ["sending", "receiving"]);
}

#[anyio::test]
async fn a_stapled_stream_closes_both_parts_and_tells_the_errors_of_both() -> Result<()> {
    let (sending, receiving, closed) = noting();
    assert_both_are_told(StapledByteStream::new(sending, receiving).close().await);
    assert_eq!(*closed.borrow(), ["sending", "receiving"]);
    let (sending, receiving, closed) = noting();
    assert_both_are_told(StapledObjectStream::new(sending, receiving).close().await);
    assert_eq!(*closed.borrow(), ["sending", "receiving"]);
    // Through wrappers, and with the end sent before.
    let (sending, receiving, closed) = noting();
    let stapled = StapledByteStream::new(BufferedByteStream::new(sending), receiving);
    assert_both_are_told(TextStream::new(BufferedByteStream::new(stapled)).close().await);
    assert_eq!(*closed.borrow(), ["sending", "receiving"]);
    let (mut one, other) = memory_stream_pair();
    let (_, receiving, closed) = noting();
    one.send_eof().await?;
    let failed = StapledByteStream::new(one, receiving).close().await;
    assert_eq!(failed.unwrap_err().to_string(), "receiving");
    assert_eq!(*closed.borrow(), ["receiving"]);
    drop(other);
    Ok(())
}

#[anyio::test]
async fn a_stapled_stream_is_closed_in_a_cancelled_scope() -> Result<()> {
    let (mut source, receiving) = memory_stream_pair();
    let (sending, mut sink) = memory_stream_pair();
    let scope = CancelScope::new();
    scope.cancel();
    scope.run(async || StapledByteStream::new(sending, receiving).close().await).await?;
    assert!(sink.receive().await?.is_none());
    assert!(matches!(source.send("x").await, Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test]
async fn what_a_file_could_not_write_is_told_when_it_is_closed_as_a_half() -> Result<()> {
    let full = || async { FileWriteStream::create("/dev/full").await };
    for boxed in [false, true] {
        let mut file = full().await?;
        // It is written behind, so this may succeed.
        let sent = ByteSendStream::send(&mut file, "lost").await;
        let closed = match boxed {
            false => file.close_sending().await,
            true => BoxedByteSendStream::new(file).close_sending().await,
        };
        assert!(sent.and(closed).is_err());
    }
    Ok(())
}

#[anyio::test]
async fn what_is_closed_by_being_dropped_has_a_close_that_fits() -> Result<()> {
    let (sender, receiver) = memory::channel::<i32>(1);
    sender.close_sending().await?;
    assert_eq!(receiver.receive().await?, None);
    let (mut one, mut other) = memory_stream_pair();
    // What is borrowed stays open.
    ByteSendStream::close_sending(&mut one).await?;
    ByteReceiveStream::close_receiving(&mut other).await?;
    one.send("x").await?;
    assert_eq!(other.receive().await?.unwrap(), "x");
    one.close_sending().await?;
    assert!(other.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn several_listeners_within_others_become_one_row() -> Result<()> {
    let pair = || async {
        let bind = async || TcpListener::bind("127.0.0.1:0").await;
        anyio::Ok(MultiListener::new([bind().await?, bind().await?]))
    };
    let inner = [pair().await?, pair().await?];
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    let addresses: Vec<_> = inner.iter().flat_map(|multi| multi.listeners().iter().map(address)).collect();
    let flat = MultiListener::new(inner).flatten();
    assert_eq!(flat.listeners().iter().map(address).collect::<Vec<_>>(), addresses);
    flat.close().await?;
    for address in addresses {
        drop(TcpListenerOptions::new().bind(address).await?);
    }
    Ok(())
}

#[anyio::test]
async fn objects_that_are_pieces_of_bytes_are_a_stream_of_bytes() -> Result<()> {
    let (sender, received) = memory::channel::<Vec<u8>>(8);
    let (pieces, receiver) = memory::channel::<Vec<u8>>(8);
    let mut bytes = ObjectBytes::new(StapledObjectStream::new(sender, receiver));
    pieces.send(b"abc".to_vec()).await?;
    let scope = CancelScope::new();
    assert_eq!(bytes.receive_at_most(1).await?.unwrap(), "a");
    scope.cancel();
    assert!(scope.run(async || bytes.receive().await).await?.is_none());
    assert_eq!(bytes.receive().await?.unwrap(), "bc");
    bytes.send("xy").await?;
    bytes.send("").await?;
    assert_eq!(received.receive().await?.unwrap(), b"xy");
    bytes.send_eof().await?;
    assert!(received.receive().await?.is_none());
    assert!(matches!(bytes.send("z").await, Err(Error::ClosedResource)));
    bytes.close().await
}
