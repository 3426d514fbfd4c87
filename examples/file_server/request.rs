//! Requests: their head, as far as this server looks at it.

use crate::{encodings::Encodings, status::Status};
use httparse::Header;

/// More headers than these are refused.
const MAX_HEADERS: usize = 100;

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Options,
    /// One that HTTP has and this server refuses.
    Refused,
    /// One that nobody has heard of.
    Unknown,
}

impl Method {
    /// Whether there is another answer to it than that it is refused.
    pub(crate) fn is_served(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    Chunked,
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) target: String,
    /// Whether it is of HTTP/1.1, and not of HTTP/1.0.
    pub(crate) is_1_1: bool,
    /// Whether the client wants the connection to go on.
    pub(crate) keep_alive: bool,
    pub(crate) body: Body,
    /// Whether the client waits with the body until it is asked for it (RFC 9110, section 10.1.1).
    pub(crate) expects_continue: bool,
    pub(crate) encodings: Encodings,
    pub(crate) range: Option<String>,
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<String>,
    pub(crate) if_unmodified_since: Option<String>,
    pub(crate) if_range: Option<String>,
}

impl Request {
    /// Reads a head, and tells how many bytes it takes. `Ok(None)` means that it is not complete yet.
    ///
    /// # Errors
    /// The status with which it is to be refused.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Status> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let length = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Status::HeaderFieldsTooLarge),
            Err(httparse::Error::Version) if names_other_version(bytes) => {
                return Err(Status::VersionNotSupported);
            }
            Err(_) => return Err(Status::BadRequest),
        };
        let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
            return Err(Status::BadRequest);
        };
        let headers = Headers(head.headers);
        let is_1_1 = version == 1;
        headers.check_host(is_1_1)?;
        let body = headers.body(is_1_1)?;
        let request = Self {
            method: method_of(method),
            target: target.to_owned(),
            is_1_1,
            keep_alive: headers.keep_alive(is_1_1),
            body,
            expects_continue: is_1_1 && body != Body::None && headers.expects_continue()?,
            encodings: headers.encodings(),
            range: headers.single("range"),
            if_match: headers.joined("if-match"),
            if_none_match: headers.joined("if-none-match"),
            if_modified_since: headers.single("if-modified-since"),
            if_unmodified_since: headers.single("if-unmodified-since"),
            if_range: headers.single("if-range"),
        };
        Ok(Some((request, length)))
    }
}

/// Whether the first line ends with a version of HTTP, one that is not understood.
fn names_other_version(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    let version = line.trim_ascii_end().rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// Whether a header can name a host, and a port.
pub(crate) fn is_host(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte))
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        "POST" | "PUT" | "DELETE" | "CONNECT" | "TRACE" | "PATCH" => Method::Refused,
        _ => Method::Unknown,
    }
}

struct Headers<'h>(&'h [Header<'h>]);

impl<'h> Headers<'h> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// The value of a header that is there once, and is text.
    fn single(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        let value = values.next().filter(|_| values.next().is_none())?;
        Some(std::str::from_utf8(value).ok()?.trim().to_owned())
    }

    /// The values of a header that is a list, as one. What is no text is left out.
    fn joined(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.values(name).filter_map(|value| std::str::from_utf8(value).ok()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// Whether a list contains a token.
    fn lists(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    fn encodings(&self) -> Encodings {
        self.joined("accept-encoding")
            .map_or(Encodings::default(), |value| Encodings::parse(value.as_bytes()))
    }

    fn keep_alive(&self, is_1_1: bool) -> bool {
        !self.lists("connection", "close") && (is_1_1 || self.lists("connection", "keep-alive"))
    }

    /// HTTP/1.1 has to name a host, and nobody may name two, or what is none.
    fn check_host(&self, is_1_1: bool) -> Result<(), Status> {
        let mut hosts = self.values("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if !is_1_1 => Ok(()),
            (Some(host), None) if is_host(host) => Ok(()),
            _ => Err(Status::BadRequest),
        }
    }

    /// Whether there is the one expectation that a client may have.
    fn expects_continue(&self) -> Result<bool, Status> {
        let mut expected = false;
        for expectation in self.values("expect") {
            if !expectation.trim_ascii().eq_ignore_ascii_case(b"100-continue") {
                return Err(Status::ExpectationFailed);
            }
            expected = true;
        }
        Ok(expected)
    }

    /// What follows. Whatever servers could understand in different ways is refused.
    fn body(&self, is_1_1: bool) -> Result<Body, Status> {
        let mut lengths = self.values("content-length");
        let mut encodings = self.values("transfer-encoding");
        match (lengths.next(), encodings.next()) {
            (None, None) => Ok(Body::None),
            (Some(length), None) if lengths.next().is_none() => {
                let digits = length.trim_ascii();
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(Status::BadRequest);
                }
                let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                // A number that does not fit is too large in any case.
                Ok(Body::Length(length.unwrap_or(u64::MAX)))
            }
            (None, Some(encoding)) if is_1_1 && encodings.next().is_none() => {
                if encoding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    Ok(Body::Chunked)
                } else {
                    Err(Status::NotImplemented)
                }
            }
            _ => Err(Status::BadRequest),
        }
    }
}
