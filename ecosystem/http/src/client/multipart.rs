//! Forms with files, as browsers send them (RFC 7578).

use super::body::ClientBody;
use crate::BoxError;
use anyio::{Path, Result, fs::FileReadStream, streams::ByteReceiveStream};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::{
    borrow::Cow,
    collections::{VecDeque, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A form whose fields may be files, for [`ClientRequest::multipart`](crate::ClientRequest::multipart).
///
/// ```
/// use anyio::Result;
/// use anyio_http::{Client, multipart::{Form, Part}};
///
/// async fn upload(client: &Client) -> Result<()> {
///     let form = Form::new()
///         .text("title", "The first programmer")
///         .part("portrait", Part::file("ada.png").await?.content_type("image/png"))
///         .part("notes", Part::bytes("note G").file_name("notes.txt"));
///     client.post("http://localhost:8080/people").multipart(form).send().await?.error_for_status()?;
///     Ok(())
/// }
/// # let _ = upload;
/// ```
#[derive(Debug)]
#[must_use = "a form does nothing until it is sent"]
pub struct Form {
    boundary: String,
    /// What is sent, in this order.
    pieces: VecDeque<ClientBody>,
}

impl Form {
    /// A form without fields.
    pub fn new() -> Self {
        // Nobody can know it beforehand and put it into a file.
        let random = || RandomState::new().hash_one(0);
        Self { boundary: format!("{:016x}{:016x}", random(), random()), pieces: VecDeque::new() }
    }

    /// Adds a field that is text.
    pub fn text(self, name: &str, text: impl Into<String>) -> Self {
        self.part(name, Part::new(Bytes::from(text.into())))
    }

    /// Adds a field.
    pub fn part(mut self, name: &str, part: Part) -> Self {
        let mut head =
            format!("--{}\r\nContent-Disposition: form-data; name=\"{}\"", self.boundary, quoted(name));
        if let Some(file_name) = &part.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(file_name)));
        }
        if let Some(kind) = &part.content_type {
            // What would end the line cannot be in it.
            head.push_str(&format!("\r\nContent-Type: {}", kind.replace(['\r', '\n'], " ")));
        }
        head.push_str("\r\n\r\n");
        self.pieces.extend([head.into(), part.body, ClientBody::from("\r\n")]);
        self
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn into_body(mut self) -> ClientBody {
        self.pieces.push_back(format!("--{}--\r\n", self.boundary).into());
        ClientBody::new(Pieces(self.pieces))
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

/// A name as browsers write it between quotes.
fn quoted(name: &str) -> Cow<'_, str> {
    if !name.contains(['"', '\r', '\n']) {
        return name.into();
    }
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A").into()
}

/// The value of a field.
#[must_use = "a part does nothing until it is in a form"]
pub struct Part {
    body: ClientBody,
    file_name: Option<String>,
    content_type: Option<String>,
}

impl Part {
    fn new(body: impl Into<ClientBody>) -> Self {
        Self { body: body.into(), file_name: None, content_type: None }
    }

    /// Bytes.
    pub fn bytes(bytes: impl Into<ClientBody>) -> Self {
        Self::new(bytes).content_type("application/octet-stream")
    }

    /// What comes from a stream, and how many bytes that is, if it is known.
    pub fn stream(stream: impl ByteReceiveStream + 'static, length: Option<u64>) -> Self {
        Self::bytes(ClientBody::from_stream(stream, length))
    }

    /// A file, under its name.
    ///
    /// # Errors
    /// What the operating system says. [`Error::Cancelled`](anyio::Error::Cancelled) if the scope is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn file(path: impl AsRef<std::path::Path>) -> Result<Self> {
        let path = Path::new(path.as_ref());
        let file = FileReadStream::open(&path).await?;
        let length = file.file().metadata().await?.len();
        let part = Self::stream(file, Some(length));
        let path: &std::path::Path = path.as_ref();
        Ok(match path.file_name() {
            Some(name) => part.file_name(name.to_string_lossy()),
            None => part,
        })
    }

    /// The name of the file that it is said to be.
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// What kind of data it is, such as `image/png`; `application/octet-stream` by default.
    pub fn content_type(mut self, kind: impl Into<String>) -> Self {
        self.content_type = Some(kind.into());
        self
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("body", &self.body)
            .field("file_name", &self.file_name)
            .field("content_type", &self.content_type)
            .finish()
    }
}

/// Bodies one after the other.
struct Pieces(VecDeque<ClientBody>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while let Some(piece) = self.0.front_mut() {
            match ready!(Pin::new(piece).poll_frame(cx)) {
                Some(Ok(frame)) if !frame.is_data() => {}
                Some(frame) => return Poll::Ready(Some(frame)),
                None => drop(self.0.pop_front()),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let exact = self.0.iter().map(|piece| piece.size_hint().exact()).sum::<Option<u64>>();
        exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
