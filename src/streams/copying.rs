//! Copying between streams.

use super::{ByteReceiveStream, ByteSendStream, Split, byte::end};
use crate::{
    error::{Error, Result},
    group::task_group,
};
use std::cell::Cell;

/// How many bytes went in each direction. Told by [`copy_bidirectional`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// From the first stream to the second.
    pub forth: u64,
    /// From the second stream to the first.
    pub back: u64,
}

/// Passes the bytes of each of two streams on to the other, until both have ended: what proxies do. The end of one is
/// passed on as well, and the other direction goes on. Chunks are passed on as they were received, without being copied.
///
/// ```
/// use anyio::{Result, net::UnixStream, streams::copy_bidirectional, task_group};
///
/// # anyio::run(async || -> Result<()> {
/// let ((client, inside), (outside, server)) = (UnixStream::pair()?, UnixStream::pair()?);
/// task_group(async |tg| -> Result<()> {
///     let proxy = tg.start_soon(async { anyio::Ok(copy_bidirectional(inside, outside).await) });
///     client.send("question").await?;
///     client.send_eof().await?;
///     assert_eq!(server.receive().await?.unwrap(), "question");
///     assert!(server.receive().await?.is_none());
///     server.send("answer").await?;
///     server.close().await?;
///     assert_eq!(client.receive().await?.unwrap(), "answer");
///     let (result, copied) = proxy.await?;
///     assert_eq!((copied.forth, copied.back), (8, 6));
///     result
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// The first error of a stream; the other direction is cancelled then. The numbers are told in any case.
///
/// # Cancel safety
/// Both directions end, and the numbers say what was sent. What was received and not sent is lost with the streams.
pub async fn copy_bidirectional(first: impl Split, second: impl Split) -> (Result<()>, Copied) {
    let (forth, back) = (Cell::new(0), Cell::new(0));
    let ((first_receive, first_send), (second_receive, second_send)) = (first.split(), second.split());
    let copied = task_group(async |tg| -> Result<()> {
        tg.start_soon(copy(first_receive, second_send, &forth));
        tg.start_soon(copy(second_receive, first_send, &back));
        Ok(())
    })
    .await;
    let result = copied.map(drop).map_err(|errors| errors.into_first());
    (result, Copied { forth: forth.get(), back: back.get() })
}

async fn copy(
    mut from: impl ByteReceiveStream,
    mut to: impl ByteSendStream,
    count: &Cell<u64>,
) -> Result<(), Error> {
    while let Some(mut chunk) = from.receive().await? {
        while !chunk.is_empty() {
            let (sent, mut rest) = to.send_some(chunk).await;
            let sent = sent?;
            count.set(count.get() + sent as u64);
            rest.advance(sent);
            chunk = rest;
        }
    }
    end(&mut to).await
}
