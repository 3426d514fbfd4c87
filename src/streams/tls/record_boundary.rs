//! Where records end.

/// A record's type, version and length.
pub(super) const HEADER: usize = 5;

/// Finds the ends of records in what comes from a peer, so that what follows the last one is left to others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordBoundary {
    header: [u8; HEADER],
    /// How many bytes of the header have come.
    known: u8,
    /// How many bytes of the body have yet to come, once the header is known.
    missing: u16,
    /// Whether a record has ended with the last bytes, and how long its body was.
    ended: Option<u16>,
}

impl RecordBoundary {
    /// How many of these bytes belong to the record that is coming in.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        self.ended = None;
        let of_header = self.pass_header(bytes);
        let Some(length) = self.length() else { return of_header };
        let of_body = usize::from(self.missing).min(bytes.len() - of_header);
        self.missing -= of_body as u16;
        if self.missing == 0 {
            *self = Self { ended: Some(length as u16), ..Self::default() };
        }
        of_header + of_body
    }

    /// How many of these bytes belong to the header of the record that is coming in.
    pub(super) fn pass_header(&mut self, bytes: &[u8]) -> usize {
        let known = usize::from(self.known);
        let count = bytes.len().min(HEADER - known);
        self.header[known..known + count].copy_from_slice(&bytes[..count]);
        self.known += count as u8;
        if count > 0 && usize::from(self.known) == HEADER {
            self.missing = u16::from_be_bytes([self.header[3], self.header[4]]);
        }
        count
    }

    /// What is known of the header of the record that is coming in.
    pub(super) fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.known)]
    }

    /// How long the body of the record is that is coming in, once that is known.
    pub(super) fn length(&self) -> Option<usize> {
        let is_known = usize::from(self.known) == HEADER;
        is_known.then(|| u16::from_be_bytes([self.header[3], self.header[4]]).into())
    }

    /// How many bytes are missing of the record that is coming in, once its length is known.
    pub(super) fn missing(&self) -> usize {
        self.missing.into()
    }

    /// How long the body of the record was that has just ended, if one has.
    pub(super) fn ended(&self) -> Option<usize> {
        self.ended.map(usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::RecordBoundary;

    #[test]
    fn records_end_where_their_headers_say_in_whatever_pieces_they_come() {
        let mut bytes = vec![23, 3, 3, 0, 2, b'a', b'b', 21, 3, 3, 0, 0];
        bytes.extend([22, 3, 1, 1, 0]);
        bytes.extend([7; 256]);
        let ends = [7, 12, 12 + 5 + 256];
        bytes.extend(b"what follows");
        for size in 1..bytes.len() {
            let (mut boundary, mut at) = (RecordBoundary::default(), 0);
            for end in ends {
                while at < end {
                    let piece = &bytes[at..bytes.len().min(at + size)];
                    let count = boundary.pass(piece);
                    assert!(count > 0 && at + count <= end);
                    at += count;
                    assert_eq!(boundary.ended().is_some(), at == end);
                }
            }
        }
    }
}
