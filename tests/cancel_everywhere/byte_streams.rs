//! Streams of bytes: those of the system, those in memory, and what is wrapped around them.

use crate::sentences::{
    Receiving, Sending, bytes_are_conserved, cancelled, cut_short, is_closed_in_any_case,
    objects_are_conserved,
};
use anyio::{
    Result,
    lowlevel::checkpoint,
    net::{TcpListener, TcpStream, UnixStream},
    streams::{
        BoxedByteStream, BufferedByteStream, ByteReceiveStream, ByteSendStream, ByteStream,
        ObjectReceiveStream, ObjectSendStream, Split, StapledByteStream, StapledObjectStream, TextStream,
        io::{ByteReader, ByteWriter, ReadStream, WriteStream},
        memory,
        objects::{ItemStream, ObjectItems, ObjectSink, SinkStream, TryItemStream},
    },
    task_group,
    testing::{lockstep_stream_pair, memory_stream_pair},
};
use futures_util::SinkExt;
use std::cell::{Cell, RefCell};

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap())
}

fn unix() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

#[anyio::test]
async fn no_byte_of_a_socket_is_lost() {
    covers![
        "net/stream_methods::$stream::receive",
        "net/stream_methods::$stream::receive_at_most",
        "net/stream_methods::$stream::receive_into",
        "net/stream_methods::$stream::send_some",
        "net/stream_methods::$stream::send",
        "net/stream_methods::$stream::send_buf",
        "streams/byte::ByteReceiveStream::receive",
        "streams/byte::ByteReceiveStream::receive_at_most",
        "streams/byte::ByteReceiveStream::receive_into",
        "streams/byte::ByteReceiveStream::poll_receive",
        "streams/byte::ByteSendStream::send",
        "streams/byte::ByteSendStream::send_buf",
        "streams/byte::ByteSendStream::send_some"
    ];
    bytes_are_conserved(Sending::Some, Receiving::Chunks, tcp).await;
    bytes_are_conserved(Sending::All, Receiving::AtMost, async || unix()).await;
    bytes_are_conserved(Sending::Buffer, Receiving::Into, async || unix()).await;
    bytes_are_conserved(Sending::Some, Receiving::Polled, async || unix()).await;
}

#[anyio::test]
async fn no_byte_of_a_stream_in_memory_is_lost() {
    bytes_are_conserved(Sending::Some, Receiving::Chunks, async || memory_stream_pair()).await;
    bytes_are_conserved(Sending::All, Receiving::Into, async || memory_stream_pair()).await;
    bytes_are_conserved(Sending::Some, Receiving::AtMost, async || lockstep_stream_pair()).await;
}

#[anyio::test]
async fn no_byte_is_lost_in_a_wrapper() {
    bytes_are_conserved(Sending::Some, Receiving::AtMost, async || {
        let (writer, reader) = memory_stream_pair();
        (writer, BufferedByteStream::new(reader))
    })
    .await;
    bytes_are_conserved(Sending::Buffer, Receiving::Chunks, async || {
        let (one, other) = unix();
        (BoxedByteStream::new(one), BoxedByteStream::new(other))
    })
    .await;
    bytes_are_conserved(Sending::Some, Receiving::Chunks, async || {
        let (one, other) = memory_stream_pair();
        let ((receive, send), (other_receive, other_send)) = (one.split(), other.split());
        (StapledByteStream::new(send, receive), StapledByteStream::new(other_send, other_receive))
    })
    .await;
}

#[anyio::test]
async fn no_byte_is_lost_between_streams_and_readers_and_writers_of_others() {
    covers![
        "streams/io/read_stream::ReadStream",
        "streams/io/reader::ByteReader",
        "streams/io/reader::ByteReader::poll_read_buf",
        "streams/io/writer::ByteWriter",
        "streams/io/write_stream::WriteStream::close"
    ];
    bytes_are_conserved(Sending::Some, Receiving::Chunks, async || {
        let (writer, reader) = memory_stream_pair();
        (writer, ReadStream::new(ByteReader::new(reader)))
    })
    .await;
    cut_short(
        async || {
            let (one, other) = memory_stream_pair();
            (WriteStream::new(ByteWriter::new(one)), other, 0)
        },
        async |(writer, _, sent)| {
            for piece in ["some", "more"] {
                writer.send(piece).await?;
                *sent += piece.len();
            }
            writer.close().await
        },
        async |(mut writer, mut reader, sent), _| {
            // "It may be called again."
            writer.close().await.unwrap();
            let mut got = Vec::new();
            while let Some(chunk) = reader.receive().await.unwrap() {
                got.extend_from_slice(&chunk);
            }
            assert!(b"somemore".starts_with(&got) && got.len() >= sent, "{sent}: {got:?}");
        },
    )
    .await;
}

#[anyio::test]
async fn a_receive_that_wants_all_gives_what_had_come() {
    covers!["streams/byte::ByteReceiveStream::receive_exactly_into"];
    cancelled(
        async || {
            let (writer, reader) = unix();
            (writer, reader, Cell::new(0), Vec::new())
        },
        async |(writer, reader, sent, got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for part in ["abc", "def"] {
                        writer.send(part).await?;
                        sent.set(sent.get() + part.len());
                        checkpoint().await?;
                    }
                    anyio::Ok(())
                });
                let (result, buffer) = reader.receive_exactly_into(Vec::with_capacity(6)).await;
                got.extend(buffer);
                result
            })
            .await
        },
        async |(writer, reader, sent, mut got), _| {
            drop(writer);
            while let Some(chunk) = reader.receive().await.unwrap() {
                got.extend_from_slice(&chunk);
            }
            assert!(b"abcdef".starts_with(&got) && got.len() >= sent.get(), "{got:?} of {sent:?}");
        },
    )
    .await;
}

#[anyio::test]
async fn what_has_come_stays_in_the_buffer() {
    covers![
        "streams/buffered::BufferedByteStream::receive_exactly",
        "streams/buffered::BufferedByteStream::receive_until",
        "streams/buffered::BufferedByteStream::receive_until_or_end",
        "streams/buffered::BufferedByteStream::receive_line"
    ];
    const PIECES: [&str; 4] = ["ab", "cd;e", "f;g\n", "rest"];
    cut_short(
        async || {
            let (writer, reader) = unix();
            (Some(writer), BufferedByteStream::new(reader), Vec::new(), 0)
        },
        async |(writer, reader, got, sent)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for piece in PIECES {
                        writer.as_ref().expect("it is open").send(piece).await?;
                        *sent += piece.len();
                    }
                    drop(writer.take());
                    anyio::Ok(())
                });
                got.extend(reader.receive_exactly(3).await?);
                got.extend(reader.receive_until(b";", 9).await?);
                got.extend(reader.receive_until_or_end(b";", 9).await?.expect("there is more"));
                got.extend(reader.receive_line(9).await?.expect("there is more").bytes());
                got.extend(reader.receive_until_or_end(b";", 9).await?.expect("there is more"));
                Ok(())
            })
            .await
        },
        async |(writer, mut reader, mut got, sent), _| {
            drop(writer);
            while let Some(chunk) = reader.receive().await.unwrap() {
                got.extend_from_slice(&chunk);
            }
            // Delimiters are not given out.
            got.retain(|byte| !b";\n".contains(byte));
            let all: Vec<u8> = PIECES.concat().bytes().filter(|byte| !b";\n".contains(byte)).collect();
            assert!(all.starts_with(&got), "{got:?}");
            assert!(got.len() + 3 >= sent, "{sent}: {got:?}");
        },
    )
    .await;
}

#[anyio::test]
async fn no_text_is_lost_or_torn() {
    covers!["streams/text::TextStream::receive", "streams/text::TextStream::send"];
    cut_short(
        async || {
            let (one, other) = unix();
            (TextStream::new(one), TextStream::new(other), String::new())
        },
        async |(writer, reader, got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for text in ["grün", "ähnlich"] {
                        writer.send(text).await?;
                    }
                    anyio::Ok(())
                });
                while got.len() < "grünähnlich".len() {
                    got.push_str(&reader.receive().await?.expect("there is more"));
                }
                Ok(())
            })
            .await
        },
        async |(writer, mut reader, mut got), _| {
            drop(writer);
            while let Ok(Some(text)) = reader.receive().await {
                got.push_str(&text);
            }
            assert!("grünähnlich".starts_with(&got), "{got:?}");
        },
    )
    .await;
}

#[anyio::test]
async fn a_stream_is_closed_in_any_case() {
    covers![
        "net/stream_methods::$stream::close",
        "streams/byte::ByteReceiveStream::close_receiving",
        "streams/byte::ByteSendStream::close_sending",
        "streams/byte::ByteStream::close",
        "streams/text::TextStream::close",
        "streams/stapled::StapledObjectStream::close",
        "streams/object::ObjectReceiveStream::close_receiving",
        "streams/object::ObjectSendStream::close_sending"
    ];
    is_closed_in_any_case(tcp, async |stream| stream.close().await).await;
    is_closed_in_any_case(async || unix(), async |stream| stream.close().await).await;
    is_closed_in_any_case(async || unix(), async |stream| stream.close_sending().await).await;
    is_closed_in_any_case(async || unix(), async |stream| stream.close_receiving().await).await;
    is_closed_in_any_case(async || unix(), async |stream| BufferedByteStream::new(stream).close().await)
        .await;
    is_closed_in_any_case(async || unix(), async |stream| BoxedByteStream::new(stream).close().await).await;
    is_closed_in_any_case(async || unix(), async |stream| TextStream::new(stream).close().await).await;
    is_closed_in_any_case(async || memory_stream_pair(), async |stream| stream.close().await).await;
    cut_short(
        async || {
            let ((sender, other_receiver), (other_sender, receiver)) =
                (memory::channel::<u32>(1), memory::channel::<u32>(1));
            (Some(StapledObjectStream::new(sender, receiver)), other_sender, other_receiver)
        },
        async |(stream, _, _)| {
            let _ = checkpoint().await;
            stream.take().expect("closed once").close::<u32>().await
        },
        async |(stream, other_sender, other_receiver), _| {
            drop(stream);
            assert_eq!(other_receiver.receive().await.unwrap(), None);
            assert!(other_sender.send(1).await.is_err());
        },
    )
    .await;
    cut_short(
        async || {
            let (sender, receiver) = memory::channel::<u32>(1);
            (Some(sender), Some(receiver))
        },
        async |(sender, receiver)| {
            let _ = checkpoint().await;
            ObjectSendStream::<u32>::close_sending(sender.take().expect("closed once")).await?;
            ObjectReceiveStream::close_receiving(receiver.take().expect("closed once")).await
        },
        async |(sender, receiver), _| {
            let is_gone = sender.is_none();
            drop(sender);
            if let Some(receiver) = receiver.filter(|_| is_gone) {
                assert_eq!(receiver.receive().await.unwrap(), None);
            }
        },
    )
    .await;
}

#[anyio::test]
async fn an_end_may_be_sent_again() {
    covers![
        "net/stream_methods::$stream::send_eof",
        "streams/byte::ByteSendStream::send_eof",
        "streams/object::ObjectSendStream::send_eof"
    ];
    cut_short(
        async || tcp().await,
        async |(stream, _)| stream.send_eof().await,
        async |(stream, peer), _| {
            stream.send_eof().await.unwrap();
            assert!(peer.receive().await.unwrap().is_none());
            peer.send("!").await.unwrap();
            assert_eq!(stream.receive().await.unwrap().unwrap(), "!");
        },
    )
    .await;
    cut_short(
        async || memory_stream_pair(),
        async |(stream, _)| {
            checkpoint().await?;
            ByteSendStream::send_eof(stream).await
        },
        async |(mut stream, mut peer), _| {
            ByteSendStream::send_eof(&mut stream).await.unwrap();
            assert!(peer.receive().await.unwrap().is_none());
        },
    )
    .await;
    cut_short(
        async || memory::channel::<u32>(1),
        async |(sender, _)| {
            checkpoint().await?;
            ObjectSendStream::<u32>::send_eof(sender).await
        },
        async |(mut sender, receiver), _| {
            ObjectSendStream::<u32>::send_eof(&mut sender).await.unwrap();
            assert_eq!(receiver.receive().await.unwrap(), None);
        },
    )
    .await;
}

#[anyio::test]
async fn no_object_is_lost_between_streams_and_those_of_others() {
    covers![
        "streams/objects/item_stream::ItemStream",
        "streams/objects/item_stream::TryItemStream",
        "streams/objects/items::ObjectItems",
        "streams/objects/sink::ObjectSink",
        "streams/objects/sink_stream::SinkStream"
    ];
    objects_are_conserved(async || {
        let (sender, receiver) = memory::channel::<u32>(1);
        (sender, TryItemStream::new(ObjectItems::new(receiver)))
    })
    .await;
    cut_short(
        async || (ItemStream::new(futures_util::stream::iter(0..3)), 0),
        async |(items, next)| {
            while let Some(item) = items.receive().await? {
                *next = item + 1;
            }
            anyio::Ok(())
        },
        async |(mut items, next), _| assert_eq!(items.receive().await.unwrap(), (next < 3).then_some(next)),
    )
    .await;
    // Once its sink has an object, that goes out with the next one.
    cut_short(
        async || {
            let (sender, receiver) = memory::channel::<u32>(1);
            (SinkStream::new(ObjectSink::new(sender)), receiver, RefCell::new(Vec::new()))
        },
        async |(sender, receiver, got)| {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    for item in 0..3 {
                        sender.send(item).await?;
                    }
                    anyio::Ok(())
                });
                for _ in 0..3 {
                    let item = receiver.receive().await?.expect("there is more");
                    got.borrow_mut().push(item);
                }
                Ok(())
            })
            .await
        },
        async |(sender, receiver, got), _| {
            let mut sink = sender.into_inner();
            let mut got = got.into_inner();
            let (closed, ()) = futures_util::join!(sink.close(), async {
                while let Some(item) = receiver.receive().await.unwrap() {
                    got.push(item);
                }
            });
            closed.unwrap();
            assert_eq!(got, (0..got.len() as u32).collect::<Vec<u32>>());
        },
    )
    .await;
}
