//! What the stream below says of a failure, if it says it once, and of what it has received, if that is not true.

use super::{authority, connection};
use anyio::{
    Chunk, Error, IoBufMut, Result,
    net::{TcpReceiveHalf, TcpStream},
    streams::{AttributeRequest, Attributes, ByteReceiveStream, StapledByteStream, tls::TlsStream},
    task_group,
};
use bytes::BufMut;
use futures_util::join;
use std::{cell::Cell, io, rc::Rc};

/// Receives like the stream that it has until it is to fail. Then it says so once, to who does not wait, and afterwards it is at
/// its end.
struct FailingOnce {
    stream: TcpReceiveHalf,
    fails: Rc<Cell<bool>>,
    has_failed: bool,
}

impl ByteReceiveStream for FailingOnce {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        if self.has_failed { Ok(None) } else { self.stream.receive().await }
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        if self.has_failed { Ok(None) } else { self.stream.receive_at_most(max_bytes).await }
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        if self.has_failed { (Ok(0), buffer) } else { self.stream.receive_into(buffer).await }
    }

    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        if self.has_failed {
            return Ok(0);
        }
        if self.fails.get() {
            self.has_failed = true;
            return Err(Error::BrokenResource(io::ErrorKind::ConnectionReset.into()));
        }
        self.stream.receive_nowait(buffer)
    }

    async fn close_receiving(self) -> Result<()> {
        self.stream.close_receiving().await
    }
}

impl Attributes for FailingOnce {
    fn provide(&self, _: &mut AttributeRequest<'_>) {}
}

// Under chaos nothing is received beside the operations, and so nothing fails here.
#[anyio::test(calm = "it is about what is received at once")]
async fn a_failure_that_is_told_once_is_no_end() -> Result<()> {
    let (client, server) = connection().await?;
    let fails = Rc::new(Cell::new(false));
    let (receive, send) = client.split();
    let receive = FailingOnce { stream: receive, fails: fails.clone(), has_failed: false };
    let (client_options, server_options) = authority::options();
    // As the end without a word would be taken for one.
    let client_options = client_options.standard_compatible(false);
    let (client, server) = join!(
        TlsStream::wrap(StapledByteStream::new(send, receive), &client_options),
        TlsStream::<TcpStream>::wrap(server, &server_options)
    );
    let (client, server) = (client?, server?);
    fails.set(true);
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async {
            let _ = server.send(vec![7; 1 << 20]).await;
            anyio::Ok(())
        });
        let failed = loop {
            match client.receive().await {
                Ok(Some(_)) => {}
                ended => break ended,
            }
        };
        sending.cancel();
        let kind = failed.expect_err("it was cut").kind();
        assert_eq!(kind, io::ErrorKind::ConnectionReset);
        Ok(())
    })
    .await?;
    Ok(())
}

/// Receives like the stream that it has, and says that it was less, or that it would wait.
struct Understates {
    stream: TcpReceiveHalf,
    number: Cell<usize>,
}

impl ByteReceiveStream for Understates {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.stream.receive().await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        self.stream.receive_at_most(max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        self.stream.receive_into(buffer).await
    }

    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        let count = self.stream.receive_nowait(buffer)?;
        self.number.set(self.number.get() + 1);
        if self.number.get() % 2 == 0 { Err(Error::WouldBlock) } else { Ok(count.min(1)) }
    }

    async fn close_receiving(self) -> Result<()> {
        self.stream.close_receiving().await
    }
}

impl Attributes for Understates {
    fn provide(&self, _: &mut AttributeRequest<'_>) {}
}

// Under chaos little is received beside the operations.
#[anyio::test(calm = "it is about what is received at once")]
async fn what_came_counts_whatever_the_stream_says_of_it() -> Result<()> {
    const LENGTH: usize = 1 << 20;
    let (client, server) = connection().await?;
    let (receive, send) = client.split();
    let receive = Understates { stream: receive, number: Cell::new(0) };
    let (client_options, server_options) = authority::options();
    let (client, server) = join!(
        TlsStream::wrap(StapledByteStream::new(send, receive), &client_options),
        TlsStream::<TcpStream>::wrap(server, &server_options)
    );
    let (client, server) = (client?, server?);
    let data: Vec<u8> = (0..LENGTH).map(|place| (place / 251) as u8).collect();
    let received = async {
        let mut received = Vec::new();
        while received.len() < LENGTH {
            received.extend_from_slice(&client.receive().await?.expect("more comes"));
        }
        anyio::Ok(received)
    };
    let (sent, received) = join!(server.send(data.clone()), received);
    sent?;
    assert!(received? == data);
    Ok(())
}
