//! Files that are sent, and streams that are copied.

use crate::{
    scratch::Folder,
    sentences::{cancelled, cut_short_beside_peers, nothing_is_lost},
};
use anyio::{
    Error, IoBufMut, Result,
    fs::File,
    lowlevel::checkpoint,
    net::{TcpListener, TcpStream, UnixStream},
    streams::{ByteReceiveStream, ByteSendStream, Copied, FileContent, copy_bidirectional},
    task_group,
    testing::memory_stream_pair,
};
use std::{cell::Cell, ops::Range};

const HEAD: &[u8] = b"a head: ";
const CONTENTS: &[u8] = b"what is sent of a file, in as many parts as it is read";

fn opened(folder: &Folder) -> File {
    std::fs::File::open(folder.join("a")).unwrap().into()
}

/// Stands for a file that is read by a few bytes.
struct Slow(File);

impl FileContent for Slow {
    async fn read_at<B: IoBufMut>(&self, buffer: B, position: u64) -> (Result<usize>, B) {
        if let Err(cancelled) = checkpoint().await {
            return (Err(cancelled.into()), buffer);
        }
        let few = buffer.capacity().min(9);
        let (result, part) = FileContent::read_at(&self.0, buffer.room(0, few), position).await;
        (result, part.into_inner())
    }
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap())
}

/// "The number says how many bytes were sent: whoever goes on from there loses none and sends none twice."
async fn what_was_sent_is_told<C: FileContent, W: ByteSendStream, R: ByteReceiveStream>(
    content: impl Fn(&Folder) -> C,
    streams: impl AsyncFn() -> (W, R),
    send: impl AsyncFn(&mut W, &C, Range<u64>) -> (Result<()>, u64),
    head: &[u8],
) {
    let all = [head, CONTENTS].concat();
    cancelled(
        async || {
            let folder = Folder::with_file(CONTENTS);
            let content = content(&folder);
            (folder, content, streams().await, 0)
        },
        async |(_, content, (writer, _), sent)| {
            let (result, count) = send(writer, content, 0..CONTENTS.len() as u64).await;
            *sent = count as usize;
            result
        },
        async |(_folder, _, (mut writer, mut reader), sent), value| {
            assert!(value.is_none() || sent == all.len());
            writer.send(all[sent..].to_vec()).await.unwrap();
            let (result, received) = reader.receive_exactly_into(vec![0; all.len()]).await;
            result.unwrap();
            assert_eq!(received, all);
        },
    )
    .await;
}

#[anyio::test]
async fn how_much_of_a_file_was_sent_is_told() {
    covers!["net/stream_methods::$stream::send_file", "streams/byte::ByteSendStream::send_file"];
    what_was_sent_is_told(opened, tcp, async |to, file, part| to.send_file(file, part).await, b"").await;
    let slow = |folder: &Folder| Slow(opened(folder));
    let unix = async || UnixStream::pair().unwrap();
    what_was_sent_is_told(slow, unix, async |to, file, part| to.send_file(file, part).await, b"").await;
    let memory = async || memory_stream_pair();
    let send = async |to: &mut _, file: &Slow, part| ByteSendStream::send_file(to, file, part).await;
    what_was_sent_is_told(slow, memory, send, b"").await;
}

#[anyio::test]
async fn how_much_of_a_head_and_a_file_was_sent_is_told() {
    covers!["net/stream_methods::$stream::send_file_after"];
    let after = async |to: &mut TcpStream, file: &_, part| to.send_file_after(HEAD, file, part).await;
    what_was_sent_is_told(opened, tcp, after, HEAD).await;
    let slow = |folder: &Folder| Slow(opened(folder));
    let after = async |to: &mut TcpStream, file: &_, part| to.send_file_after(HEAD, file, part).await;
    what_was_sent_is_told(slow, tcp, after, HEAD).await;
}

#[anyio::test]
async fn what_a_file_contains_is_read_at_any_position() {
    covers!["streams/file_content::FileContent::read_at"];
    nothing_is_lost(
        |folder| std::fs::write(folder.join("a"), CONTENTS).unwrap(),
        async |folder| {
            let (result, bytes) = FileContent::read_at(&opened(folder), Vec::with_capacity(11), 3).await;
            // It may be less than there is room for.
            let count = result?;
            assert!(count > 0 && count == bytes.len());
            Ok(CONTENTS[3..].starts_with(&bytes))
        },
    )
    .await;
}

/// The ends that a proxy has, those that talk by way of it, and what it has told.
struct Proxied {
    inside: Option<(UnixStream, UnixStream)>,
    outside: (UnixStream, UnixStream),
    copied: Cell<Option<Copied>>,
    got: [Vec<u8>; 2],
}

async fn rest_of(stream: &UnixStream, got: &mut Vec<u8>) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        got.extend_from_slice(&chunk);
    }
    Ok(())
}

#[anyio::test]
async fn what_was_copied_in_both_directions_is_told() {
    covers!["streams/copying::copy_bidirectional"];
    cut_short_beside_peers(
        async || {
            let ((client, inside), (other, server)) =
                (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            Proxied {
                inside: Some((inside, other)),
                outside: (client, server),
                copied: Cell::new(None),
                got: Default::default(),
            }
        },
        async |proxied| {
            let Proxied { inside, outside: (client, server), copied, got } = proxied;
            let (first, second) = inside.take().expect("a body runs once");
            let [back, forth] = got;
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    let (result, numbers) = copy_bidirectional(first, second).await;
                    copied.set(Some(numbers));
                    result
                });
                tg.start_soon(async {
                    client.send("question").await?;
                    client.send_eof().await?;
                    rest_of(client, back).await
                });
                rest_of(server, forth).await?;
                server.send("an answer").await?;
                server.send_eof().await
            })
            .await
        },
        async |mut proxied, value| {
            let (client, server) = &proxied.outside;
            let [back, forth] = &mut proxied.got;
            // The proxy's ends are gone, so that everything comes to an end.
            drop(proxied.inside.take());
            for (stream, got) in [(client, back), (server, forth)] {
                // What was lost with the proxy's streams, unread, breaks the link.
                let rest = rest_of(stream, got).await;
                assert!(matches!(rest, Ok(()) | Err(Error::BrokenResource(_))), "{rest:?}");
            }
            let [back, forth] = &proxied.got;
            assert!(b"question".starts_with(forth) && b"an answer".starts_with(back));
            if let Some(Copied { forth: there, back: here }) = proxied.copied.get() {
                assert_eq!((there, here), (forth.len() as u64, back.len() as u64));
            }
            assert!(value.is_none_or(|value| value.is_none()) || proxied.copied.get().is_some());
        },
    )
    .await;
}
