//! Text over bytes.

use super::{
    AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, ObjectReceiveStream,
    ObjectSendStream,
};
use crate::error::{Error, Result};
use encoding_rs::{Decoder, DecoderResult, EncoderResult, Encoding, UTF_8};
use std::{fmt, io};

/// What to do with bytes that are no text, and with text that the encoding has no bytes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextErrors {
    /// Give an error.
    #[default]
    Strict,
    /// Put U+FFFD in the place of such bytes, and `?` in that of such characters.
    Replace,
}

/// Strings over a stream of bytes, in any encoding of the web.
///
/// Strings are not kept apart: what was sent in one piece may be received in several, and the other way round. Characters
/// are never cut. A byte order mark is text.
///
/// ```
/// use anyio::{Result, streams::{ObjectReceiveStream, ObjectSendStream, TextStream}, testing::memory_stream_pair};
///
/// # anyio::run(async || -> Result<()> {
/// let (one, other) = memory_stream_pair();
/// let (mut one, mut other) = (TextStream::new(one), TextStream::new(other));
/// one.send("grüße").await?;
/// assert_eq!(other.receive().await?.as_deref(), Some("grüße"));
/// # Ok(()) }).unwrap();
/// ```
pub struct TextStream<S> {
    stream: S,
    encoding: &'static Encoding,
    errors: TextErrors,
    decoder: Decoder,
    /// Whether the end has been decoded.
    ended: bool,
}

impl<S> TextStream<S> {
    /// Text in UTF-8, errors being told. The stream may also be one that only sends or receives.
    pub fn new(stream: S) -> Self {
        Self::with_encoding(stream, UTF_8, TextErrors::Strict)
    }

    /// Text in another encoding. (As on the web, text to be sent is encoded as UTF-8 where this is UTF-16.)
    pub fn with_encoding(stream: S, encoding: &'static Encoding, errors: TextErrors) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Self { stream, encoding, errors, decoder, ended: false }
    }

    /// The encoding.
    pub fn encoding(&self) -> &'static Encoding {
        self.encoding
    }

    /// The wrapped stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The wrapped stream. Bytes of a character that has come in part only are lost.
    pub fn into_inner(self) -> S {
        self.stream
    }

    pub(crate) fn decode(&mut self, mut bytes: &[u8], last: bool) -> Result<String> {
        let mut text = String::new();
        loop {
            let room = self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len());
            text.reserve(room);
            let (result, read) = match self.errors {
                TextErrors::Strict => {
                    self.decoder.decode_to_string_without_replacement(bytes, &mut text, last)
                }
                TextErrors::Replace => {
                    let (result, read, _) = self.decoder.decode_to_string(bytes, &mut text, last);
                    let full = matches!(result, encoding_rs::CoderResult::OutputFull);
                    (if full { DecoderResult::OutputFull } else { DecoderResult::InputEmpty }, read)
                }
            };
            bytes = &bytes[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(text),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => return Err(self.error("bytes that are not")),
            }
        }
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u8>> {
        let mut encoder = self.encoding.new_encoder();
        let (mut rest, mut bytes) = (text, Vec::with_capacity(text.len()));
        loop {
            bytes.reserve(encoder.max_buffer_length_from_utf8_without_replacement(rest.len()).unwrap_or(0));
            let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut bytes, true);
            rest = &rest[read..];
            match (result, self.errors) {
                (EncoderResult::InputEmpty, _) => return Ok(bytes),
                (EncoderResult::OutputFull, _) => {}
                (EncoderResult::Unmappable(_), TextErrors::Replace) => bytes.push(b'?'),
                (EncoderResult::Unmappable(_), TextErrors::Strict) => {
                    return Err(self.error("a character that does not exist in"));
                }
            }
        }
    }

    fn error(&self, what: &str) -> Error {
        let text = format!("{what} {}", self.encoding.name());
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

impl<S: ByteReceiveStream> ObjectReceiveStream for TextStream<S> {
    type Item = String;

    /// The next piece of text, never an empty one.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind [`InvalidData`](io::ErrorKind::InvalidData) for bytes that are no text, also for a
    /// character that is cut off by the end of the stream; text that came before them in the same piece is lost. Those of
    /// the wrapped stream.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    async fn receive(&mut self) -> Result<Option<String>> {
        while !self.ended {
            let chunk = self.stream.receive().await?;
            self.ended = chunk.is_none();
            let text = self.decode(chunk.as_deref().unwrap_or_default(), self.ended)?;
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    async fn close_receiving(self) -> Result<()> {
        self.stream.close_receiving().await
    }
}

impl<T: AsRef<str>, S: ByteSendStream> ObjectSendStream<T> for TextStream<S> {
    /// Sends text.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind [`InvalidData`](io::ErrorKind::InvalidData) if the encoding lacks one of its characters;
    /// nothing is sent then. Those of the wrapped stream.
    ///
    /// # Cancel safety
    /// A part may have been sent.
    async fn send(&mut self, text: T) -> Result<()> {
        let bytes = self.encode(text.as_ref())?;
        self.stream.send(bytes).await
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.stream.send_eof().await
    }

    async fn close_sending(self) -> Result<()> {
        self.stream.close_sending().await
    }
}

impl<S: ByteStream> TextStream<S> {
    /// Closes the wrapped stream and waits until that is done.
    ///
    /// # Errors
    /// As for [`ByteStream::close`].
    ///
    /// # Cancel safety
    /// The stream is closed in any case, also in a cancelled scope and when the future is dropped.
    pub async fn close(self) -> Result<()> {
        self.stream.close().await
    }
}

impl<S: Attributes> Attributes for TextStream<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}

impl<S: fmt::Debug> fmt::Debug for TextStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextStream")
            .field("stream", &self.stream)
            .field("encoding", &self.encoding.name())
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}
