//! Messages that a function sends.

use crate::{
    produced::{MessageSender, Produced},
    stream::{LocalStream, MessageStream},
};
use tonic::Status;

/// Makes the answer of a method of a server of what a function sends. It runs in the task of the call, waits while the
/// client takes nothing more, and its error is the status that the call ends with. The messages end with the function, also
/// if it drops its sender before.
///
/// If the client goes away or cancels the call, the deadline passes, or the server has to end, it is cancelled *and awaited*,
/// so that [`using`](anyio::using) and other cleanup run to their end.
///
/// ```
/// use anyio_tonic::{MessageStream, OrStatus, produce};
/// use std::time::Duration;
///
/// fn countdown(from: u32) -> MessageStream<u32> {
///     produce(async move |numbers| {
///         for number in (0..from).rev() {
///             numbers.send(number).await?;
///             anyio::sleep(Duration::from_secs(1)).await.or_status()?;
///         }
///         Ok(())
///     })
/// }
/// # let _ = countdown;
/// ```
pub fn produce<M: 'static>(
    producer: impl AsyncFnOnce(MessageSender<Result<M, Status>>) -> Result<(), Status> + 'static,
) -> MessageStream<M> {
    LocalStream::of_produced(Produced::new(producer, |status| Some(Err(status))))
}

/// Makes the messages of a client's call of what a function sends. It runs in a child of the [channel](crate::Channel)'s
/// group, and waits while the server takes nothing more. If it fails, the call is cancelled and ends with that status. The
/// messages end with the function, also if it drops its sender before.
///
/// If the call is given up, or the server ends it, it is cancelled and awaited by the group.
///
/// ```
/// use anyio_tonic::{LocalStream, produce_requests};
///
/// fn upload(pieces: Vec<Vec<u8>>) -> LocalStream<Vec<u8>> {
///     produce_requests(async move |requests| {
///         for piece in pieces {
///             requests.send_request(piece).await?;
///         }
///         Ok(())
///     })
/// }
/// # let _ = upload;
/// ```
pub fn produce_requests<M: 'static>(
    producer: impl AsyncFnOnce(MessageSender<M>) -> Result<(), Status> + 'static,
) -> LocalStream<M> {
    LocalStream::of_produced(Produced::new(producer, |_| None))
}
