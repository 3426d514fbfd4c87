//! Names of hosts in other scripts.

use crate::error::{Error, Result};
use std::{borrow::Cow, io};

/// The name as the DNS has it, by IDNA 2008 (RFC 5891, with UTS 46 in its non-transitional form). Names in ASCII stay as they
/// are: not all that resolvers know are names of the DNS.
///
/// # Errors
/// If the name has characters or a form that no name has.
pub(crate) fn to_ascii(host: &str) -> Result<Cow<'_, str>> {
    let refuse = |what: &str| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        Err(Error::of_operation(error, "look up", format_args!("{host:?}")))
    };
    if host.contains('\0') {
        return refuse("a name has no zero bytes");
    }
    if host.is_ascii() {
        return Ok(Cow::Borrowed(host));
    }
    match idna::domain_to_ascii_strict(host) {
        Ok(name) => Ok(Cow::Owned(name)),
        Err(_) => refuse("no name can have these characters (IDNA 2008)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_other_scripts_are_encoded_and_those_in_ascii_stay() {
        // By the rules of 2008 ß is a letter of its own, not ss.
        assert_eq!(to_ascii("faß.de").unwrap(), "xn--fa-hia.de");
        assert_eq!(to_ascii("Bücher.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(to_ascii("_under.Score").unwrap(), "_under.Score");
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for name in ["a\u{2260}\u{338}\u{fffd}", "\u{200d}é", "a\0b"] {
            let error = to_ascii(name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}: {error}");
        }
    }
}
