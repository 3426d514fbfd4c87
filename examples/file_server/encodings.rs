//! In which forms content may be sent.

/// The content codings that a client takes, of those that this server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Encodings(u8);

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// From the one that is liked best.
    pub(crate) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// What HTTP calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a file ends with that is in this form.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }
}

impl Encodings {
    /// How many different values there are.
    pub(crate) const COUNT: usize = 4;

    /// Reads the value of `Accept-Encoding`.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let mut accepted = Self::default();
        for member in value.split(|&byte| byte == b',') {
            let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let is_refused = parts.any(|parameter| {
                let quality = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
                quality.is_some_and(|quality| quality.iter().all(|byte| matches!(byte, b'0' | b'.')))
            });
            for encoding in Encoding::ALL {
                if !is_refused && name.eq_ignore_ascii_case(encoding.name().as_bytes()) {
                    accepted.0 |= 1 << encoding as u8;
                }
            }
        }
        accepted
    }

    pub(crate) fn contains(self, encoding: Encoding) -> bool {
        self.0 & (1 << encoding as u8) != 0
    }

    /// A number below [`COUNT`](Self::COUNT) that stands for it.
    pub(crate) fn number(self) -> usize {
        self.0.into()
    }
}
