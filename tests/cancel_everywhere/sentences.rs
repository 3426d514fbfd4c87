//! The sentences that many items have in common, each as a test of what says it.

use crate::scratch::Folder;
use anyio::{
    CancelAware, Result,
    lowlevel::checkpoint,
    streams::{ByteReceiveStream, ByteSendStream, ObjectReceiveStream, ObjectSendStream},
    task_group,
    testing::{Everywhere, cancel_everywhere},
};
use std::{
    cell::{Cell, RefCell},
    fmt::Debug,
    future::poll_fn,
};

/// Names the items whose sentence about cancelling a test asserts, as `FILE::TYPE::FUNCTION` or `FILE::FUNCTION`, the file without
/// `src/` and `.rs`. The test `completeness` reads these names.
macro_rules! covers {
    ($($item:literal),* $(,)?) => {
        const _: &[&str] = &[$($item),*];
    };
}

/// Cancels a body at each checkpoint, and drops it each time that it waits.
pub(crate) async fn cut_short<S, T, E, Via>(
    setup: impl AsyncFn() -> S,
    body: impl AsyncFn(&mut S) -> Result<T, E>,
    check: impl AsyncFn(S, Option<T>),
) where
    E: CancelAware<Via> + Debug,
{
    cancel_everywhere(Everywhere::cancel(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop(), &setup, &body, &check).await;
}

/// The same, of a body whose checkpoints depend on how soon threads have done their part.
pub(crate) async fn cut_short_beside_threads<S, T, E, Via>(
    setup: impl AsyncFn() -> S,
    body: impl AsyncFn(&mut S) -> Result<T, E>,
    check: impl AsyncFn(S, Option<T>),
) where
    E: CancelAware<Via> + Debug,
{
    cancel_everywhere(Everywhere::cancel().allow_differences(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop().allow_differences(), &setup, &body, &check).await;
}

/// The same, of a body in which a task may lose its peer when that is cancelled before it.
pub(crate) async fn cut_short_beside_peers<S, T, E, Via>(
    setup: impl AsyncFn() -> S,
    body: impl AsyncFn(&mut S) -> Result<T, E>,
    check: impl AsyncFn(S, Option<T>),
) where
    E: CancelAware<Via> + Debug,
{
    cancel_everywhere(Everywhere::cancel().allow_errors(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop(), &setup, &body, &check).await;
}

/// As [`cut_short`], but leaves out that single children are cancelled, for bodies that take it for granted that they end well.
pub(crate) async fn whole_is_cut_short<S, T, E, Via>(
    setup: impl AsyncFn() -> S,
    body: impl AsyncFn(&mut S) -> Result<T, E>,
    check: impl AsyncFn(S, Option<T>),
) where
    E: CancelAware<Via> + Debug,
{
    cancel_everywhere(Everywhere::cancel().children(false).pairs(0, 0), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop(), &setup, &body, &check).await;
}

/// Cancels a body at each checkpoint.
pub(crate) async fn cancelled<S, T, E, Via>(
    setup: impl AsyncFn() -> S,
    body: impl AsyncFn(&mut S) -> Result<T, E>,
    check: impl AsyncFn(S, Option<T>),
) where
    E: CancelAware<Via> + Debug,
{
    cancel_everywhere(Everywhere::cancel(), setup, body, check).await;
}

/// "Once begun it is awaited": if a value comes out it is done, and if a cancellation does it is not. There is a file `a` to do it with.
pub(crate) async fn once_begun_is_awaited(
    prepare: impl Fn(&Folder),
    act: impl AsyncFn(&Folder) -> Result<()>,
    is_done: impl Fn(&Folder) -> bool,
) {
    let setup = async || {
        let folder = Folder::with_file("contents");
        prepare(&folder);
        folder
    };
    let body = async |folder: &mut Folder| act(folder).await;
    let is_as_told = async |folder: Folder, value: Option<()>| assert_eq!(value.is_some(), is_done(&folder));
    cancel_everywhere(Everywhere::cancel(), &setup, &body, is_as_told).await;
    // Whoever drops the future does not know.
    cancel_everywhere(Everywhere::drop(), &setup, &body, async |_, _| ()).await;
}

/// "Nothing is lost": the next call gives what this one would have given.
pub(crate) async fn nothing_is_lost<T: PartialEq + Debug>(
    prepare: impl Fn(&Folder),
    ask: impl AsyncFn(&Folder) -> Result<T>,
) {
    cut_short(
        async || {
            let folder = Folder::with_file("contents");
            prepare(&folder);
            folder
        },
        async |folder| ask(folder).await,
        async |folder, value| {
            let again = ask(&folder).await.unwrap();
            assert!(value.is_none_or(|value| value == again));
        },
    )
    .await;
}

/// How a stream of bytes is received from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiving {
    Chunks,
    AtMost,
    /// Without a future.
    Polled,
    /// Bytes of a future that is dropped may be lost.
    Into,
}

/// How bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// It tells how many.
    Some,
    All,
    Buffer,
}

const TEXT: &[u8] = b"everything that was sent arrives, once and in order";
const PIECE: usize = 17;

struct Bytes<W, R> {
    writer: W,
    reader: R,
    sent: usize,
    got: Vec<u8>,
}

/// "No byte is lost, the next call gets it", and "either the number comes out or nothing was sent".
pub(crate) async fn bytes_are_conserved<W: ByteSendStream, R: ByteReceiveStream>(
    sending: Sending,
    receiving: Receiving,
    make: impl AsyncFn() -> (W, R),
) {
    let setup = async || {
        let (writer, reader) = make().await;
        Bytes { writer, reader, sent: 0, got: Vec::new() }
    };
    let body = async |bytes: &mut Bytes<W, R>| {
        let Bytes { writer, reader, sent, got } = bytes;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                while *sent < TEXT.len() {
                    let piece = &TEXT[*sent..TEXT.len().min(*sent + PIECE)];
                    *sent += match sending {
                        Sending::Some => writer.send_some(piece).await.0?,
                        Sending::All => writer.send(piece).await.map(|()| piece.len())?,
                        Sending::Buffer => writer.send_buf(piece).await.0.map(|()| piece.len())?,
                    };
                }
                anyio::Ok(())
            });
            while got.len() < TEXT.len() {
                receive(reader, receiving, got).await?;
            }
            Ok(())
        })
        .await
    };
    let check = |exact: bool| {
        async move |bytes: Bytes<W, R>, _: Option<Option<()>>| {
            let Bytes { writer, mut reader, sent, mut got } = bytes;
            let closed = async {
                // Whatever had begun.
                let _ = writer.close_sending().await;
            };
            let drained = async {
                while matches!(receive(&mut reader, Receiving::Chunks, &mut got).await, Ok(true)) {}
            };
            futures_util::join!(closed, drained);
            assert_eq!(got, &TEXT[..got.len()], "not what was sent");
            let most = if exact && sending == Sending::Some { sent } else { TEXT.len().min(sent + PIECE) };
            assert!((sent..=most).contains(&got.len()), "{} bytes came, and {sent} were sent", got.len());
        }
    };
    cancel_everywhere(Everywhere::cancel(), &setup, &body, check(true)).await;
    if receiving != Receiving::Into {
        cancel_everywhere(Everywhere::drop(), &setup, &body, check(false)).await;
    }
}

/// False at the end.
async fn receive(
    reader: &mut impl ByteReceiveStream,
    receiving: Receiving,
    got: &mut Vec<u8>,
) -> Result<bool> {
    let before = got.len();
    match receiving {
        Receiving::Chunks => got.extend(reader.receive().await?.as_deref().unwrap_or_default()),
        Receiving::AtMost => got.extend(reader.receive_at_most(5).await?.as_deref().unwrap_or_default()),
        Receiving::Polled => {
            let received = poll_fn(|cx| reader.poll_receive(cx)).await?;
            got.extend(received.as_deref().unwrap_or_default());
        }
        Receiving::Into => {
            let (result, buffer) = reader.receive_into(Vec::with_capacity(11)).await;
            result?;
            got.extend(buffer);
        }
    }
    Ok(got.len() > before)
}

struct Objects<W, R> {
    sender: W,
    receiver: R,
    sent: Cell<u32>,
    got: RefCell<Vec<u32>>,
}

const OBJECTS: u32 = 3;

/// "No object is lost, the next call gets it", and "a cancelled call has not sent it".
pub(crate) async fn objects_are_conserved<W, R>(make: impl AsyncFn() -> (W, R))
where
    W: ObjectSendStream<u32>,
    R: ObjectReceiveStream<Item = u32>,
{
    let setup = async || {
        let (sender, receiver) = make().await;
        Objects { sender, receiver, sent: Cell::new(0), got: RefCell::default() }
    };
    let body = async |objects: &mut Objects<W, R>| {
        let Objects { sender, receiver, sent, got } = objects;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                for item in 0..OBJECTS {
                    sender.send(item).await?;
                    sent.set(item + 1);
                }
                anyio::Ok(())
            });
            for _ in 0..OBJECTS {
                let item = receiver.receive().await?.expect("the other side is there");
                got.borrow_mut().push(item);
            }
            Ok(())
        })
        .await
    };
    let check = |exact: bool| {
        async move |objects: Objects<W, R>, _: Option<Option<()>>| {
            let Objects { sender, mut receiver, sent, got } = objects;
            let (sent, mut got) = (sent.get(), got.into_inner());
            sender.close_sending().await.unwrap();
            while let Some(item) = receiver.receive().await.unwrap() {
                got.push(item);
            }
            let most = if exact { sent } else { sent + 1 };
            let count = got.len() as u32;
            assert!((sent..=most).contains(&count), "{sent} were sent, and {got:?} came");
            assert_eq!(got, (0..count).collect::<Vec<u32>>());
        }
    };
    cancel_everywhere(Everywhere::cancel(), &setup, &body, check(true)).await;
    cancel_everywhere(Everywhere::drop(), &setup, &body, check(false)).await;
}

/// "It is closed in any case": the peer comes to the end.
pub(crate) async fn is_closed_in_any_case<S, P: ByteReceiveStream>(
    make: impl AsyncFn() -> (S, P),
    close: impl AsyncFn(S) -> Result<()>,
) {
    cut_short(
        async || {
            let (stream, peer) = make().await;
            (Some(stream), peer)
        },
        async |(stream, _)| {
            // So it is closed in a cancelled scope, too.
            let _ = checkpoint().await;
            close(stream.take().expect("closed once")).await
        },
        async |(stream, mut peer), _| {
            drop(stream);
            // What is closed without ceremony may be an error to its peer, but is no open stream.
            let mut count = 0;
            while let Ok(Some(chunk)) = peer.receive().await {
                count += chunk.len();
            }
            assert_eq!(count, 0);
        },
    )
    .await;
}
