//! Responses.

use crate::status::Status;
use anyio::fs::File;
use std::{
    fmt::{Display, Write as _},
    ops::Range,
    time::SystemTime,
};

/// An answer, ready to be sent.
pub(crate) struct Response {
    pub(crate) status: Status,
    /// The headers that depend on what is sent, each with the end of its line.
    headers: String,
    pub(crate) content: Content,
}

/// What follows the head.
pub(crate) enum Content {
    /// Nothing, and no length of it either.
    None,
    Text(String),
    /// Parts of a file, and text between them.
    File(File, Vec<Piece>),
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
        Self { status, headers: String::new(), content }
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

    /// The head, complete. `connection` is what the header of that name says, if anything.
    pub(crate) fn head(&self, connection: Option<&str>) -> String {
        let mut head = format!(
            "HTTP/1.1 {}\r\nServer: anyio\r\nDate: {}\r\n{}",
            self.status.line(),
            httpdate::fmt_http_date(SystemTime::now()),
            self.headers,
        );
        if !matches!(self.content, Content::None) {
            let _ = write!(head, "Content-Length: {}\r\n", self.content.length());
        }
        if let Some(connection) = connection {
            let _ = write!(head, "Connection: {connection}\r\n");
        }
        head.push_str("\r\n");
        head
    }
}
