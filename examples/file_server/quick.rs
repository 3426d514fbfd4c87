//! Requests that ask for nothing special, as most do: told at one glance, without taking them apart.

use crate::{encodings::Encodings, request::is_host};
use std::mem::MaybeUninit;

/// More headers than these are not looked at here.
const MAX_HEADERS: usize = 32;

/// A request for the whole of something, after which the connection goes on.
pub(crate) struct Quick<'b> {
    pub(crate) target: &'b str,
    pub(crate) encodings: Encodings,
    /// How many bytes the request has.
    pub(crate) length: usize,
}

impl<'b> Quick<'b> {
    /// `None` if the request is not complete, not right, or asks for more.
    pub(crate) fn parse(bytes: &'b [u8]) -> Option<Self> {
        if !bytes.starts_with(b"GET /") {
            return None;
        }
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut []);
        let length = match head.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) | Err(_) => return None,
        };
        if head.version != Some(1) {
            return None;
        }
        let (mut encodings, mut hosts) = (Encodings::default(), 0);
        for header in head.headers.iter() {
            match Meaning::of(header.name) {
                Meaning::None => {}
                Meaning::Host if is_host(header.value) => hosts += 1,
                Meaning::Encodings => encodings = Encodings::parse(header.value),
                Meaning::Connection if header.value.eq_ignore_ascii_case(b"keep-alive") => {}
                Meaning::Host | Meaning::Connection | Meaning::Special => return None,
            }
        }
        (hosts == 1).then_some(Self { target: head.path?, encodings, length })
    }
}

/// What a header means to this server.
enum Meaning {
    None,
    Host,
    Connection,
    Encodings,
    /// It changes the answer, or says that more follows.
    Special,
}

impl Meaning {
    fn of(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        // Most names differ in their length already.
        match name.len() {
            4 if is("host") => Self::Host,
            10 if is("connection") => Self::Connection,
            15 if is("accept-encoding") => Self::Encodings,
            5 if is("range") => Self::Special,
            6 if is("expect") => Self::Special,
            7 if is("upgrade") => Self::Special,
            8 if is("if-match") || is("if-range") => Self::Special,
            13 if is("if-none-match") => Self::Special,
            14 if is("content-length") => Self::Special,
            17 if is("if-modified-since") || is("transfer-encoding") => Self::Special,
            19 if is("if-unmodified-since") => Self::Special,
            _ => Self::None,
        }
    }
}
