//! Wrappers around streams.

use anyio::{
    CancelScope, Error, Result,
    streams::{
        Attribute, AttributeRequest, Attributes, BufferedByteStream, ByteReceiveStream, ByteSendStream,
        ByteStream, ObjectReceiveStream, ObjectSendStream, StapledByteStream, StapledObjectStream,
        TextErrors, TextStream, memory,
    },
    testing::{MemoryByteStream, memory_stream_pair},
};
use encoding_rs::{UTF_8, WINDOWS_1252};

fn buffered() -> (MemoryByteStream, BufferedByteStream<MemoryByteStream>) {
    let (client, server) = memory_stream_pair();
    (client, BufferedByteStream::new(server))
}

#[anyio::test]
async fn exactly_so_many_bytes_come_out_of_several_pieces() -> Result<()> {
    let (mut client, mut server) = buffered();
    client.send("abcd").await?;
    client.send("efgh").await?;
    assert_eq!(server.receive_exactly(6).await?, "abcdef");
    assert_eq!(server.buffer(), b"gh");
    assert_eq!(server.receive_exactly(0).await?, "");
    client.send_eof().await?;
    assert!(matches!(server.receive_exactly(4).await, Err(Error::IncompleteRead)));
    assert_eq!(server.receive().await?.unwrap(), "gh");
    assert!(server.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_delimiter_is_found_across_pieces() -> Result<()> {
    let (mut client, mut server) = buffered();
    for piece in ["ab", "c\r", "\ndef\r\n"] {
        client.send(piece).await?;
    }
    assert_eq!(server.receive_until(b"\r\n", 10).await?, "abc");
    assert_eq!(server.receive_until(b"\r\n", 10).await?, "def");
    client.send("rest").await?;
    client.send_eof().await?;
    assert!(matches!(server.receive_until(b"\n", 10).await, Err(Error::IncompleteRead)));
    assert_eq!(server.buffer(), b"rest");
    Ok(())
}

#[anyio::test]
async fn what_is_left_at_the_end_need_not_have_a_delimiter() -> Result<()> {
    let (mut client, mut server) = buffered();
    client.send("a;b;").await?;
    client.send("rest").await?;
    client.send_eof().await?;
    let mut parts = Vec::new();
    while let Some(part) = server.receive_until_or_end(b";", 10).await? {
        parts.push(part);
    }
    assert_eq!(parts, ["a", "b", "rest"]);
    assert!(server.receive_until_or_end(b";", 10).await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_delimiter_that_does_not_come_in_time_is_told() -> Result<()> {
    let (mut client, mut server) = buffered();
    client.send("abcdef\n").await?;
    let refused = server.receive_until(b"\n", 6).await;
    assert!(matches!(refused, Err(Error::DelimiterNotFound { max_bytes: 6 })));
    assert_eq!(server.receive_until(b"\n", 7).await?, "abcdef");
    Ok(())
}

#[anyio::test]
async fn fed_bytes_come_before_those_of_the_stream() -> Result<()> {
    let (mut client, mut server) = buffered();
    client.send("world").await?;
    server.feed_data(b"hello ");
    assert_eq!(server.receive_at_most(2).await?.unwrap(), "he");
    let (count, buffer) = server.receive_into(Vec::with_capacity(3)).await;
    assert_eq!((count?, &buffer[..]), (3, &b"llo"[..]));
    assert_eq!(server.receive_exactly(6).await?, " world");
    Ok(())
}

#[anyio::test]
async fn a_buffered_stream_sends_closes_and_leaves_nothing_behind() -> Result<()> {
    let (mut client, mut server) = buffered();
    server.send("reply").await?;
    server.send_eof().await?;
    assert!(matches!(server.send("more").await, Err(Error::ClosedResource)));
    assert_eq!(client.receive().await?.unwrap(), "reply");
    assert!(client.receive().await?.is_none());
    client.send("late").await?;
    assert_eq!(server.receive_exactly(1).await?, "l");
    let (stream, rest) = server.into_inner();
    assert_eq!(rest, "ate");
    stream.close().await?;
    assert!(matches!(client.send("x").await, Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test]
async fn buffered_bytes_are_not_given_in_a_cancelled_scope() -> Result<()> {
    let (_client, mut server) = buffered();
    server.feed_data(b"abc");
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || server.receive().await).await?.is_none());
    assert!(scope.run(async || server.receive_exactly(1).await).await?.is_none());
    assert_eq!(server.buffer(), b"abc");
    Ok(())
}

#[anyio::test]
async fn what_is_stapled_receives_from_one_and_sends_to_the_other() -> Result<()> {
    let (mut source, receiving) = memory_stream_pair();
    let (sending, mut sink) = memory_stream_pair();
    let mut stapled = StapledByteStream::new(sending, receiving);
    source.send("in").await?;
    stapled.send("out").await?;
    assert_eq!(stapled.receive_at_most(1).await?.unwrap(), "i");
    assert_eq!(stapled.receive().await?.unwrap(), "n");
    assert_eq!(sink.receive().await?.unwrap(), "out");
    stapled.send_eof().await?;
    stapled.send_eof().await?;
    assert!(sink.receive().await?.is_none());
    assert!(matches!(stapled.send("x").await, Err(Error::ClosedResource)));
    source.send("still").await?;
    assert_eq!(stapled.receive().await?.unwrap(), "still");
    stapled.close().await?;
    assert!(matches!(source.send("x").await, Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test]
async fn stapled_objects_end_and_are_refused_like_those_of_the_parts() -> Result<()> {
    let (sender, receiver) = memory::channel(1);
    let mut stapled = StapledObjectStream::new(sender, receiver);
    stapled.send_nowait(1).map_err(|(error, _)| error)?;
    assert!(matches!(stapled.send_nowait(2), Err((Error::WouldBlock, 2))));
    stapled.send_eof().await?;
    stapled.send_eof().await?;
    assert!(matches!(stapled.send(2).await, Err(Error::ClosedResource)));
    assert_eq!((stapled.receive().await?, stapled.receive().await?), (Some(1), None));
    Ok(())
}

fn text(
    encoding: &'static encoding_rs::Encoding,
    errors: TextErrors,
) -> (MemoryByteStream, TextStream<MemoryByteStream>) {
    let (client, server) = memory_stream_pair();
    (client, TextStream::with_encoding(server, encoding, errors))
}

#[anyio::test]
async fn a_character_in_two_pieces_is_received_whole() -> Result<()> {
    let (mut client, mut server) = text(UTF_8, TextErrors::Strict);
    client.send(vec![b'a', 0xc3]).await?;
    assert_eq!(server.receive().await?.as_deref(), Some("a"));
    client.send(vec![0xe5]).await.ok();
    assert!(server.receive().await.is_err());
    let (mut client, mut server) = text(UTF_8, TextErrors::Strict);
    client.send(vec![0xc3]).await?;
    client.send(vec![0xa5]).await?;
    assert_eq!(server.receive().await?.as_deref(), Some("å"));
    client.send_eof().await?;
    assert_eq!(server.receive().await?, None);
    assert_eq!(server.receive().await?, None);
    Ok(())
}

#[anyio::test]
async fn bytes_that_are_no_text_are_told_or_replaced() -> Result<()> {
    let (mut client, mut server) = text(UTF_8, TextErrors::Replace);
    client.send(vec![b'x', 0xff, b'y', 0xc3]).await?;
    client.send_eof().await?;
    assert_eq!(server.receive().await?.as_deref(), Some("x\u{fffd}y"));
    assert_eq!(server.receive().await?.as_deref(), Some("\u{fffd}"));
    assert_eq!(server.receive().await?, None);
    let (mut client, mut server) = text(UTF_8, TextErrors::Strict);
    client.send(vec![0xc3]).await?;
    client.send_eof().await?;
    assert!(
        matches!(server.receive().await, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData)
    );
    Ok(())
}

#[anyio::test]
async fn characters_that_the_encoding_lacks_are_told_or_replaced() -> Result<()> {
    let (mut client, mut server) = text(WINDOWS_1252, TextErrors::Replace);
    server.send("å€中").await?;
    assert_eq!(client.receive().await?.unwrap(), [0xe5, 0x80, b'?']);
    let (_client, mut server) = text(WINDOWS_1252, TextErrors::Strict);
    assert!(server.send("中").await.is_err());
    Ok(())
}

enum Port {}

impl Attribute for Port {
    type Value = u16;
}

enum Name {}

impl Attribute for Name {
    type Value = String;
}

struct Known(u16);

impl Attributes for Known {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide::<Port>(|| self.0);
        request.provide_if_known::<Name>(|| None);
        if self.0 == 2 {
            request.provide::<Name>(|| "two".into());
        }
    }
}

#[test]
fn attributes_are_found_through_all_wrappers() {
    let wrapped = TextStream::new(BufferedByteStream::new(StapledByteStream::new(Known(2), Known(1))));
    assert_eq!(wrapped.extra::<Port>(), Some(1));
    assert_eq!(wrapped.extra::<Name>().as_deref(), Some("two"));
    let boxed: Box<dyn Attributes> = Box::new(Known(3));
    assert_eq!(boxed.extra::<Port>(), Some(3));
    assert_eq!(anyio::streams::extra::<Name>(&*boxed), None);
}

#[anyio::test]
async fn a_lent_stream_is_wrapped_for_a_while() -> Result<()> {
    let (mut one, mut other) = memory_stream_pair();
    one.send("line\n").await?;
    assert_eq!(BufferedByteStream::new(&mut other).receive_line(10).await?.unwrap(), "line");
    TextStream::new(&mut one).send("text").await?;
    assert_eq!(other.receive().await?.unwrap(), "text");
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "at most 0 bytes")]
async fn receiving_at_most_nothing_through_a_wrapper_is_refused() {
    let (_peer, mut stream) = buffered();
    let _ = stream.receive_at_most(0).await;
}

#[anyio::test]
async fn what_is_stapled_sends_without_waiting_only_if_the_part_does() -> Result<()> {
    /// Sends to somebody, and only by waiting.
    struct Waits(memory::SendStream<u8>);
    impl ObjectSendStream<u8> for Waits {
        async fn send(&mut self, item: u8) -> Result<()> {
            self.0.send(item).await
        }

        async fn send_eof(&mut self) -> Result<()> {
            self.0.close();
            Ok(())
        }
    }
    let (sender, receiver) = memory::channel(1);
    let mut stapled = StapledObjectStream::new(Waits(sender), receiver);
    assert!(matches!(stapled.send_nowait(1), Err((Error::Unsupported(_), 1))));
    stapled.send(1).await?;
    assert_eq!(stapled.receive().await?, Some(1));
    Ok(())
}
