//! Responses.

use crate::{origin::Origin, status::Status};
use anyio::fs::File;
use std::{
    fmt::{Display, Write as _},
    ops::Range,
    rc::Rc,
    time::SystemTime,
};

/// An answer, ready to be sent.
pub(crate) struct Response {
    pub(crate) status: Status,
    /// The headers that depend on what is sent, each with the end of its line.
    headers: String,
    pub(crate) content: Content,
    /// If others may get the same: the files that it was made of.
    pub(crate) origins: Vec<Origin>,
}

/// What follows the head.
pub(crate) enum Content {
    /// Nothing, and no length of it either.
    None,
    Text(String),
    Bytes(Rc<[u8]>),
    /// Parts of a file, and text between them.
    File(Rc<File>, Vec<Piece>),
}

/// A piece of what is sent.
pub(crate) enum Piece {
    Text(String),
    Bytes(Range<u64>),
}

impl Content {
    /// How many bytes it has.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Text(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, pieces) => pieces.iter().map(Piece::length).sum(),
        }
    }
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Bytes(range) => range.end - range.start,
        }
    }
}

impl Response {
    pub(crate) fn new(status: Status, content: Content) -> Self {
        Self { status, headers: String::new(), content, origins: Vec::new() }
    }

    /// Says which files it was made of, if others may get the same.
    pub(crate) fn made_of(self, origins: Vec<Origin>) -> Self {
        Self { origins, ..self }
    }

    /// A status with one line of text that repeats it.
    pub(crate) fn of_status(status: Status) -> Self {
        let text = format!("{}\n", status.line());
        Self::new(status, Content::Text(text)).header("Content-Type", "text/plain; charset=utf-8")
    }

    /// Adds a header. The value has no line ends in it.
    pub(crate) fn header(mut self, name: &str, value: impl Display) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.headers, "{name}: {value}\r\n");
        self
    }

    /// The head, complete. `connection` is what the header of that name says, if anything; `extra` are headers that all
    /// answers have.
    pub(crate) fn head(&self, connection: Option<&str>, extra: &str) -> String {
        let mut head = self.head_without_date(connection, extra);
        let _ = write!(head, "Date: {}\r\n\r\n", httpdate::fmt_http_date(SystemTime::now()));
        head
    }

    /// The status line and all headers but the date.
    pub(crate) fn head_without_date(&self, connection: Option<&str>, extra: &str) -> String {
        let mut head = format!("HTTP/1.1 {}\r\nServer: anyio\r\n{}{extra}", self.status.line(), self.headers);
        if !matches!(self.content, Content::None) {
            let _ = write!(head, "Content-Length: {}\r\n", self.content.length());
        }
        if let Some(connection) = connection {
            let _ = write!(head, "Connection: {connection}\r\n");
        }
        head
    }
}
