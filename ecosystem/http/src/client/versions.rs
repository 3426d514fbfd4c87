//! Which versions of HTTP are spoken.

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Versions {
    /// What the server chooses by TLS, or else HTTP/1.1.
    #[default]
    Any,
    Http1,
    Http2,
}

impl Versions {
    /// Their names in TLS.
    #[cfg(feature = "tls")]
    pub(super) fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Any => &[b"h2", b"http/1.1"],
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
        }
    }
}
