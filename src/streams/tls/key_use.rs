//! How much the keys of a connection may encrypt.

use crate::error::{Error, Result};
use rustls::{Connection, SupportedCipherSuite};
use std::{cell::Cell, io};

/// How many records there may be that are no data: the end of the handshake, alerts and the last word.
const OTHERS: u64 = 16;

/// How often the keys of a connection were used to send data. By TLS 1.3 rustls makes new ones in time. By TLS 1.2 there are no
/// others, and from the last record on that they may encrypt it would say the last word and drop what is to be sent.
pub(super) struct KeyUse {
    records: Cell<u64>,
    /// How many bytes of data a record has at most.
    length: usize,
}

impl KeyUse {
    pub(super) fn new(length: usize) -> Self {
        Self { records: Cell::new(0), length }
    }

    /// Checks that so many bytes may be encrypted.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if not.
    #[inline]
    pub(super) fn check(&self, connection: &Connection, most: usize) -> Result<()> {
        let Some(SupportedCipherSuite::Tls12(suite)) = connection.negotiated_cipher_suite() else {
            return Ok(());
        };
        let needed = self.records_of(most) + OTHERS;
        if self.records.get().saturating_add(needed) <= suite.common.confidentiality_limit {
            return Ok(());
        }
        let what = "the keys of this connection may encrypt no more, and by TLS 1.2 there are no others";
        Err(Error::BrokenResource(io::Error::other(what)))
    }

    /// Notes that so many bytes were encrypted.
    #[inline]
    pub(super) fn note(&self, count: usize) {
        self.records.set(self.records.get().saturating_add(self.records_of(count)));
    }

    fn records_of(&self, count: usize) -> u64 {
        count.div_ceil(self.length) as u64
    }
}
