//! What parent and worker say to each other: frames of a header of 16 bytes and a body.

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// To the worker: a call of a function of its own program. The body is an [`Address`](super::image::Address) and the
    /// argument.
    Call = 1,
    /// To the worker: a call by name. The body is the name's length (two bytes), the name, and the argument.
    CallByName = 2,
    /// From the worker, first: it is ready. The body is the [identity](super::image::identity) of its program.
    Ready = 3,
    /// From the worker: what the function gave.
    Value = 4,
    /// From the worker: the text of the panic that came out of the function.
    Panicked = 5,
    /// From the worker: why it could not call the function, or not pass on what that gave.
    Refused = 6,
    /// From the worker: it has a call in hand. Before that nothing of the function has happened.
    Begun = 7,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Call,
            Self::CallByName,
            Self::Ready,
            Self::Value,
            Self::Panicked,
            Self::Refused,
            Self::Begun,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The first bytes of each frame, so that what a function writes where it should not is noticed.
const MAGIC: [u8; 7] = *b"anyio\x01\xc3";

pub(super) const HEADER: usize = 16;

/// How a frame begins whose body has so many bytes.
pub(super) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..7].copy_from_slice(&MAGIC);
    header[7] = kind as u8;
    header[8..].copy_from_slice(&(length as u64).to_le_bytes());
    header
}

/// What frame begins so, and how many bytes its body has. `None` if none does.
pub(super) fn parse(header: &[u8; HEADER]) -> Option<(Kind, usize)> {
    let length = u64::from_le_bytes(header[8..].try_into().ok()?);
    (header[..7] == MAGIC).then_some(())?;
    Some((Kind::of(header[7])?, usize::try_from(length).ok()?))
}

/// The body of a call by name, without its argument.
pub(super) fn name(name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len()).expect("names are shorter than 64 KiB");
    [&length.to_le_bytes(), name.as_bytes()].concat()
}

/// The name and the argument in the body of a call by name.
pub(super) fn parse_name(body: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = body.split_first_chunk()?;
    let (name, argument) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(name).ok()?, argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_header_is_none() {
        let good = header(Kind::Value, 77);
        assert_eq!(parse(&good), Some((Kind::Value, 77)));
        for place in 0..8 {
            let mut bad = good;
            bad[place] ^= 0x80;
            assert_eq!(parse(&bad), None);
        }
    }

    #[test]
    fn a_name_and_its_argument_are_told_apart() {
        let body = [name("hash"), vec![1, 2]].concat();
        assert_eq!(parse_name(&body), Some(("hash", &[1, 2][..])));
        assert_eq!(parse_name(&body[..5]), None);
        assert_eq!(parse_name(&[]), None);
    }
}
