//! An HTTP client that shows everything and forgives nothing.

use anyio::{Result, fail_after, net::TcpStream};
use std::{net::SocketAddr, time::Duration};

/// Nothing takes so long, unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A response, taken apart.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

impl Response {
    /// The value of a header, empty if it is not there. Panics if it is there twice.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.content).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    pub(crate) async fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.stream.send(bytes.into()).await.unwrap();
    }

    /// Sends, although the server may have closed the connection.
    pub(crate) async fn try_send(&self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.stream.send(bytes.into()).await
    }

    pub(crate) async fn send_eof(&self) {
        self.stream.send_eof().await.unwrap();
    }

    /// Receives one response with its content.
    pub(crate) async fn response(&mut self) -> Response {
        let mut response = self.head().await;
        let length = match response.header("Content-Length") {
            "" => 0,
            length => length.parse().unwrap(),
        };
        response.content = self.receive_exactly(length).await;
        response
    }

    /// Receives the head of a response.
    pub(crate) async fn head(&mut self) -> Response {
        let length = loop {
            match self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(position) => break position + 4,
                None => assert!(self.receive().await.unwrap(), "the connection ended: {:?}", self.received),
            }
        };
        let head: Vec<u8> = self.received.drain(..length).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Response { status, headers, content: Vec::new() }
    }

    pub(crate) async fn receive_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.receive().await.unwrap(), "the connection ended in the midst of the content");
        }
        self.received.drain(..length).collect()
    }

    /// Waits until the server closes the connection. Gives what it had sent before. A connection that was reset has
    /// ended, too.
    pub(crate) async fn until_end(mut self) -> Vec<u8> {
        while matches!(self.receive().await, Ok(true)) {}
        self.received
    }

    /// Waits for the server to close the connection in an orderly way, without sending anything more.
    pub(crate) async fn expect_end(mut self) {
        let more = self.receive().await.unwrap();
        assert!(
            !more && self.received.is_empty(),
            "there is more: {:?}",
            String::from_utf8_lossy(&self.received)
        );
    }

    async fn receive(&mut self) -> Result<bool> {
        let Some(chunk) = fail_after(LIMIT, self.stream.receive()).await? else { return Ok(false) };
        self.received.extend_from_slice(&chunk);
        Ok(true)
    }

    /// Asks for a path, with further headers, each with the end of its line.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str) -> Response {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).await;
        if method == "HEAD" { self.head().await } else { self.response().await }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn get_with(&mut self, path: &str, headers: &str) -> Response {
        self.ask("GET", path, headers).await
    }
}
