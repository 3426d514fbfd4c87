//! How many bytes are received at once, on each kind of stream.

use anyio::{
    Result,
    fs::{File, FileReadStream},
    net::UnixStream,
    process::{Command, Stdio},
    streams::{
        BoxedByteReceiveStream, BufferedByteStream, ByteReceiveStream, ByteSendStream, StapledByteStream,
        io::ReadStream, memory, objects::ObjectBytes,
    },
    testing::memory_stream_pair,
};
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// The stream gives "0123456789" and ends.
async fn check_sizes(kind: &str, mut stream: impl ByteReceiveStream) -> Result<()> {
    {
        let mut none = pin!(stream.receive_at_most(0));
        let polled = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| none.as_mut().poll(cx).is_ready()));
            Poll::Ready(polled)
        })
        .await;
        let panic = polled.expect_err(kind);
        let said = panic.downcast_ref::<&str>().copied().unwrap_or_default();
        assert!(said.starts_with("receiving at most 0 bytes"), "{kind}");
    }
    assert_eq!(stream.receive_at_most(1).await?.unwrap(), "0", "{kind}");
    let mut three = Vec::new();
    while three.len() < 3 {
        let chunk = stream.receive_at_most(3 - three.len()).await?.expect(kind);
        assert!((1..=3 - three.len()).contains(&chunk.len()), "{kind}");
        three.extend_from_slice(&chunk);
    }
    assert_eq!(three, b"123", "{kind}");
    let (count, nothing) = stream.receive_into(Vec::new()).await;
    assert_eq!((count?, nothing.len()), (0, 0), "{kind}");
    let (result, exactly) = stream.receive_exactly_into(vec![0; 2].into_boxed_slice()).await;
    result?;
    assert_eq!(&*exactly, b"45", "{kind}");
    let mut rest = Vec::new();
    while let Some(chunk) = stream.receive_at_most(usize::MAX).await? {
        assert!(!chunk.is_empty(), "{kind}");
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(rest, b"6789", "{kind}");
    assert!(stream.receive_at_most(usize::MAX).await?.is_none(), "{kind}");
    Ok(())
}

const TEXT: &str = "0123456789";

#[anyio::test]
async fn nothing_is_refused_and_more_than_there_is_gives_what_there_is_on_every_kind_of_stream() -> Result<()>
{
    let (mut one, other) = memory_stream_pair();
    one.send(TEXT).await?;
    one.send_eof().await?;
    check_sizes("memory", other).await?;

    let (mut one, other) = memory_stream_pair();
    let mut buffered = BufferedByteStream::new(other);
    buffered.feed_data(&TEXT.as_bytes()[..5]);
    one.send(&TEXT[5..]).await?;
    one.send_eof().await?;
    check_sizes("buffered", buffered).await?;

    let (mut one, other) = memory_stream_pair();
    one.send(TEXT).await?;
    one.send_eof().await?;
    check_sizes("stapled", StapledByteStream::new(one, other)).await?;

    let (mut one, other) = memory_stream_pair();
    one.send(TEXT).await?;
    one.send_eof().await?;
    check_sizes("boxed", BoxedByteReceiveStream::new(other)).await?;

    let (one, other) = UnixStream::pair()?;
    one.send(TEXT).await?;
    one.send_eof().await?;
    check_sizes("socket", other).await?;

    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let path = folder.path() / "digits";
    path.write_text(TEXT).await?;
    check_sizes("file", File::open(&path).await?).await?;
    check_sizes("file stream", FileReadStream::open(&path).await?).await?;
    folder.close().await?;

    let mut process = Command::new("printf").arg(TEXT).stdout(Stdio::piped()).spawn()?;
    check_sizes("pipe", process.stdout.take().unwrap()).await?;
    process.wait().await?;

    check_sizes("reader", ReadStream::new(futures_util::io::Cursor::new(TEXT))).await?;

    let (sender, receiver) = memory::channel(3);
    for piece in [&TEXT[..5], "", &TEXT[5..]] {
        sender.send(piece).await?;
    }
    drop(sender);
    check_sizes("objects", ObjectBytes::new(receiver)).await
}
