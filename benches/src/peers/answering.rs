//! What the hand-written loops do with what they received.

use std::io;

use crate::measuring::http::Session;

/// One connection's side of a protocol.
pub(super) trait Answering: Default {
    /// What is to be sent in answer to this; nothing if more has to come first.
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> io::Result<&'a [u8]>;

    /// The answer was sent and is not needed any more.
    fn sent(&mut self) {}
}

/// What was received, as it is.
#[derive(Default)]
pub(super) struct Echo;

impl Answering for Echo {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> io::Result<&'a [u8]> {
        Ok(received)
    }
}

/// Answers to HTTP requests.
#[derive(Default)]
pub(super) struct Http(Session);

impl Answering for Http {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> io::Result<&'a [u8]> {
        self.0.take(received)?;
        Ok(self.0.answers())
    }

    fn sent(&mut self) {
        self.0.answers().clear();
    }
}
