//! The HTTP that all servers speak: the same parser and the same answer, so that only what surrounds them differs.

use std::io;

/// What every request is answered with.
pub(crate) const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

const MAX_HEADERS: usize = 16;
/// A request that is longer is refused.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// One connection's half-received request, and the answers that are due.
#[derive(Default)]
pub(crate) struct Session {
    partial: Vec<u8>,
    answers: Vec<u8>,
}

impl Session {
    /// Takes what was received; the answers to all requests that are complete by now are due then.
    pub(crate) fn take(&mut self, received: &[u8]) -> io::Result<()> {
        if self.partial.is_empty() {
            let used = answer_all(received, &mut self.answers)?;
            self.partial.extend_from_slice(&received[used..]);
        } else {
            self.partial.extend_from_slice(received);
            let used = answer_all(&self.partial, &mut self.answers)?;
            self.partial.drain(..used);
        }
        if self.partial.len() > MAX_REQUEST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request without end"));
        }
        Ok(())
    }

    /// The answers that are due, to be cleared when they were sent.
    pub(crate) fn answers(&mut self) -> &mut Vec<u8> {
        &mut self.answers
    }
}

/// Answers the complete requests at the beginning, and gives how many bytes they take.
fn answer_all(bytes: &[u8], answers: &mut Vec<u8>) -> io::Result<usize> {
    let mut used = 0;
    while used < bytes.len() {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(&bytes[used..]);
        match parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            httparse::Status::Complete(length) => {
                used += length;
                answers.extend_from_slice(ANSWER);
            }
            httparse::Status::Partial => break,
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    #[test]
    fn a_request_in_pieces_is_answered_once_it_is_complete() {
        let mut session = Session::default();
        for byte in &REQUEST[..REQUEST.len() - 1] {
            session.take(&[*byte]).unwrap();
            assert!(session.answers().is_empty());
        }
        session.take(b"\n").unwrap();
        assert_eq!(session.answers(), ANSWER);
    }

    #[test]
    fn requests_in_a_row_are_answered_one_by_one_and_what_is_left_is_kept() {
        let mut session = Session::default();
        let bytes = [REQUEST, REQUEST, &REQUEST[..5]].concat();
        session.take(&bytes).unwrap();
        assert_eq!(session.answers().len(), 2 * ANSWER.len());
        session.answers().clear();
        session.take(&REQUEST[5..]).unwrap();
        assert_eq!(session.answers(), ANSWER);
    }

    #[test]
    fn what_is_no_http_is_an_error() {
        assert!(Session::default().take(b"\0\0\0\0").is_err());
    }
}
