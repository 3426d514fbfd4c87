//! A WebSocket as a stream of messages.

use super::{
    message::{CloseReason, Message},
    options::WebSocketOptions,
    patient::Patient,
};
use crate::UpgradedStream;
use anyio::{
    Error, Result, foreign,
    streams::{ObjectReceiveStream, ObjectSendStream},
};
use async_tungstenite::{
    WebSocketReceiver, WebSocketSender, WebSocketStream,
    tungstenite::{self, error::Error as WsError, protocol::Role},
};
use futures_core::Stream;
use futures_sink::Sink;
use std::{fmt, future::poll_fn, io, pin::Pin};

/// A WebSocket: messages in both directions. It splits into halves for two tasks.
///
/// Pings of the other side are answered, and its wish to close is, whenever this is received from.
pub struct WebSocket {
    receive: WebSocketReceiveHalf,
    send: WebSocketSendHalf,
    protocol: Option<String>,
}

/// The receiving half of a [`WebSocket`].
pub struct WebSocketReceiveHalf {
    receiver: WebSocketReceiver<Patient>,
    reason: Option<CloseReason>,
}

/// The sending half of a [`WebSocket`].
pub struct WebSocketSendHalf {
    sender: WebSocketSender<Patient>,
    max_message_bytes: usize,
}

impl WebSocket {
    pub(super) async fn new(
        stream: UpgradedStream,
        role: Role,
        options: &WebSocketOptions,
        protocol: Option<String>,
    ) -> Self {
        let stream = WebSocketStream::from_raw_socket(Patient(stream), role, Some(options.config())).await;
        let (sender, receiver) = stream.split();
        Self {
            receive: WebSocketReceiveHalf { receiver, reason: None },
            send: WebSocketSendHalf { sender, max_message_bytes: options.max_message_bytes },
            protocol,
        }
    }

    /// What is spoken on it, if both sides have agreed on something.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The next message. `Ok(None)` if the other side has closed it.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost or the other side sent what is against the protocol,
    /// [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No message is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    pub async fn receive(&mut self) -> Result<Option<Message>> {
        self.receive.receive().await
    }

    /// Sends a message, and waits until it is on its way.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, [`Error::ClosedResource`] if it was closed, [`Error::Io`] of the kind
    /// `InvalidInput` if the message is larger than [allowed](WebSocketOptions::max_message_bytes), or a ping or pong has more
    /// than 125 bytes, [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// When it is cancelled or dropped, the message may have been taken over: then it goes out whole with the next one, or
    /// when this is next received from.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        self.send.send(message).await
    }

    /// Says that nothing more will be sent and why, and waits for the other side's last word. What it sends before that is
    /// dropped.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// The connection is closed in any case.
    pub async fn close(mut self, reason: impl Into<Option<CloseReason>>) -> Result<()> {
        self.send.close(reason).await?;
        while self.receive.receive().await?.is_some() {}
        Ok(())
    }

    /// Why the other side has closed it, if it has, and said why.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.receive.close_reason()
    }

    /// Takes the directions apart. The connection is closed when both are dropped.
    pub fn split(self) -> (WebSocketReceiveHalf, WebSocketSendHalf) {
        (self.receive, self.send)
    }
}

impl WebSocketReceiveHalf {
    /// The next message. See [`WebSocket::receive`].
    ///
    /// # Errors
    /// Those of [`WebSocket::receive`].
    ///
    /// # Cancel safety
    /// As for [`WebSocket::receive`].
    pub async fn receive(&mut self) -> Result<Option<Message>> {
        loop {
            let next = foreign(poll_fn(|cx| Pin::new(&mut self.receiver).poll_next(cx))).await?;
            let message = match next {
                None | Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) => return Ok(None),
                Some(Err(error)) => return Err(failed(error)),
                Some(Ok(message)) => message,
            };
            return Ok(Some(match message {
                tungstenite::Message::Text(text) => Message::Text(text.as_str().to_owned()),
                tungstenite::Message::Binary(bytes) => Message::Binary(bytes),
                tungstenite::Message::Ping(bytes) => Message::Ping(bytes),
                tungstenite::Message::Pong(bytes) => Message::Pong(bytes),
                tungstenite::Message::Close(frame) => {
                    self.reason = frame.map(Into::into);
                    continue;
                }
                // Only where raw frames are asked for.
                tungstenite::Message::Frame(_) => continue,
            }));
        }
    }

    /// Why the other side has closed it. See [`WebSocket::close_reason`].
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.reason.as_ref()
    }
}

impl WebSocketSendHalf {
    /// Sends a message. See [`WebSocket::send`].
    ///
    /// # Errors
    /// Those of [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// As for [`WebSocket::send`].
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        message.check(self.max_message_bytes)?;
        self.flush().await?;
        foreign(self.sender.send(message.into_inner())).await?.map_err(failed)
    }

    /// Sends what is left of before, such as answers to pings, so that there is room.
    async fn flush(&mut self) -> Result<()> {
        foreign(poll_fn(|cx| Pin::new(&mut self.sender).poll_flush(cx))).await?.map_err(failed)
    }

    /// Says that nothing more will be sent, and why.
    ///
    /// # Errors
    /// Those of [`WebSocket::send`], with `InvalidInput` for a reason that cannot be sent: whose text is too long, or whose
    /// number is for those to whom nothing was said.
    ///
    /// # Cancel safety
    /// As for [`WebSocket::send`].
    pub async fn close(&mut self, reason: impl Into<Option<CloseReason>>) -> Result<()> {
        let reason = reason.into();
        reason.as_ref().map_or(Ok(()), CloseReason::check)?;
        match self.flush().await {
            Err(Error::ClosedResource) => return Ok(()),
            flushed => flushed?,
        }
        match foreign(self.sender.close(reason.map(Into::into))).await? {
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => Ok(()),
            closed => closed.map_err(failed),
        }
    }
}

fn failed(error: WsError) -> Error {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => Error::ClosedResource,
        WsError::Io(error) => match Error::from(error) {
            Error::Io(error) => Error::BrokenResource(error),
            error => error,
        },
        WsError::Protocol(tungstenite::error::ProtocolError::SendAfterClosing) => Error::ClosedResource,
        error => Error::BrokenResource(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

impl ObjectReceiveStream for WebSocket {
    type Item = Message;

    async fn receive(&mut self) -> Result<Option<Message>> {
        self.receive.receive().await
    }
}

impl ObjectSendStream<Message> for WebSocket {
    async fn send(&mut self, message: Message) -> Result<()> {
        self.send.send(message).await
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.send.close(None).await
    }
}

impl ObjectReceiveStream for WebSocketReceiveHalf {
    type Item = Message;

    async fn receive(&mut self) -> Result<Option<Message>> {
        Self::receive(self).await
    }
}

impl ObjectSendStream<Message> for WebSocketSendHalf {
    async fn send(&mut self, message: Message) -> Result<()> {
        Self::send(self, message).await
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.close(None).await
    }
}

macro_rules! debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug!(WebSocket, WebSocketReceiveHalf, WebSocketSendHalf);
